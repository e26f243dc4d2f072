#include "api/community/handlers.h"
#include "api/groups.h"

namespace lyceum::api {
namespace {

using enum Access;

constexpr RouteRow kRows[] = {
    {"GET", "/api/{type}/{ns}/{name}/discussions", repo_read, "Discussions and pull requests", list_discussions},
    {"POST", "/api/{type}/{ns}/{name}/discussions", repo_participate, "Opens a discussion or a pull request", create_discussion},
    {"GET", "/api/{type}/{ns}/{name}/discussions/{num}", repo_read, "One discussion with its events; a pull request with its difference", describe_discussion},
    {"POST", "/api/{type}/{ns}/{name}/discussions/{num}/comment", repo_participate, "Comments", comment_discussion},
    {"POST", "/api/{type}/{ns}/{name}/discussions/{num}/title", repo_participate, "Renames a discussion", rename_discussion},
    {"POST", "/api/{type}/{ns}/{name}/discussions/{num}/status", repo_participate, "Opens or closes a discussion", change_discussion_status},
    {"POST", "/api/{type}/{ns}/{name}/discussions/{num}/merge", repo_write, "Merges a pull request into main", merge_pull_request},
    {"POST", "/api/{type}/{ns}/{name}/discussions/{num}/comment/{id}/edit", repo_participate, "Edits one's comment", edit_comment},
    {"POST", "/api/{type}/{ns}/{name}/discussions/{num}/comment/{id}/hide", repo_participate, "Hides a comment", hide_comment},

    {"GET", "/api/settings/webhooks", write_token, "The caller's webhooks", list_webhooks},
    {"POST", "/api/settings/webhooks", write_token, "Creates a webhook", create_webhook},
    {"GET", "/api/settings/webhooks/{id}", write_token, "One webhook", describe_webhook},
    {"POST", "/api/settings/webhooks/{id}", write_token, "Changes a webhook", update_webhook},
    {"DELETE", "/api/settings/webhooks/{id}", write_token, "Deletes a webhook", delete_webhook},
    {"POST", "/api/settings/webhooks/{id}/enable", write_token, "Enables a webhook", enable_webhook},
    {"POST", "/api/settings/webhooks/{id}/disable", write_token, "Disables a webhook", disable_webhook},
    {"GET", "/api/settings/webhooks/{id}/deliveries", write_token, "The log of a webhook's deliveries", list_deliveries},
    {"POST", "/api/settings/webhooks/{id}/replay/{log}", write_token, "Sends a logged delivery again", replay_delivery},
};

}  // namespace

std::span<const RouteRow> community_rows() { return kRows; }

}  // namespace lyceum::api
