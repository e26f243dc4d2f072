// How much a namespace stores and may store; exceptions from the server's setting are an administrator's.
#include "hub/quotas.h"

#include "api/admin/handlers.h"
#include "api/answer.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

http::Response answer(Context& context) {
  const std::string& owner = context.request.param("owner");
  const hub::QuotaState state = context.services.hub.quotas().of_namespace(owner);
  return json_answer(json::object{{"namespace", owner}, {"usedBytes", state.used_bytes}, {"limitBytes", state.limit_bytes == 0 ? json::value(nullptr) : json::value(state.limit_bytes)}});
}

}  // namespace

http::Response describe_quota(Context& context) { return answer(context); }

http::Response set_quota(Context& context) {
  const json::object body = read_json_body(context);
  const auto limit = find_int(body, "limitBytes");
  if (limit && *limit < 0) throw Error(Code::invalid_argument, "limitBytes is not negative; 0 is no limit, null the server's setting.");
  context.services.hub.quotas().set_namespace_limit(context.request.param("owner"), limit ? std::optional<uint64_t>(*limit) : std::nullopt);
  return answer(context);
}

}  // namespace lyceum::api
