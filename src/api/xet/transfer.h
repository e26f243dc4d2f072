// transfer.h: xorb bytes, put together from stored files.
#pragma once

#include <string>

#include "hub/hub.h"
#include "xet/plain_xorb.h"

namespace lyceum::api {

// The layout in which a known xorb is given out. Error(not_found) for an unknown one.
xet::PlainXorb require_layout(hub::Hub& hub, const std::string& xorb);

}  // namespace lyceum::api
