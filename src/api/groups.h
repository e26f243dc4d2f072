// groups.h: the route tables, one function per folder. registry.cpp lists them in the order they are tried.
#pragma once

#include <span>

#include "api/route.h"

namespace lyceum::api {

std::span<const RouteRow> hub_rows();     // hub/: the Hugging Face Hub protocol: repositories, commits, files
std::span<const RouteRow> community_rows();  // community/: discussions, pull requests, webhooks
std::span<const RouteRow> lfs_rows();     // hub/: Git LFS transfers
std::span<const RouteRow> git_rows();     // git/: smart HTTP
std::span<const RouteRow> xet_rows();     // xet/: chunked uploads and downloads of large files
std::span<const RouteRow> admin_rows();   // admin/: accounts, tokens, sign-in, cards, figures
std::span<const RouteRow> oauth_rows();   // oauth/: signing in a program from a browser; errors in OAuth's shape
std::span<const RouteRow> openai_rows();  // openai/: /v1, passed to engine processes; errors in OpenAI's shape
std::span<const RouteRow> anthropic_rows();  // anthropic/: /v1/messages, passed to engine processes; errors in Anthropic's shape
std::span<const RouteRow> ollama_rows();  // ollama/: /api/chat, /api/tags …; errors in Ollama's shape
std::span<const RouteRow> llama_rows();  // llama/: /infill, /tokenize …, as llama.cpp's clients ask; errors in OpenAI's shape
std::span<const RouteRow> deployment_rows();  // openai/: what is deployed, engines in memory
std::span<const RouteRow> jobs_rows();     // jobs/: tuning on this hub; the Hugging Face Jobs protocol
std::span<const RouteRow> spaces_rows();  // spaces/: declarative Spaces
std::span<const RouteRow> static_rows();  // admin/: the browser front end; last, it answers every unknown GET path

}  // namespace lyceum::api
