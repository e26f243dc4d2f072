// handlers.h: git's smart HTTP protocol (gitprotocol-http(5)).
#pragma once

#include "api/route.h"

namespace lyceum::api {

http::Response advertise_refs(Context& context);   // GET info/refs?service=…
http::Response upload_pack(Context& context);      // POST git-upload-pack: clone and fetch
http::Response receive_pack(Context& context);     // POST git-receive-pack: push

}  // namespace lyceum::api
