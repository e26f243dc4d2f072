// gzip_body.h: a gzip-encoded request body, inflated as it is read (git compresses its larger requests).
#pragma once

#include <memory>

#include "http/message.h"

namespace lyceum::http {

// `inner` must outlive the result. More than limit_bytes of inflated data is Error(too_large); bytes that are no gzip, or a stream that
// ends early, Error(invalid_argument).
std::unique_ptr<BodyStream> inflate_body(BodyStream& inner, uint64_t limit_bytes);

}  // namespace lyceum::http
