#include "api/hub/lfs_messages.h"

// The same bytes as each of the messages.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  const std::string oid(64, 'a');
  const auto attempt = [](const auto& parse) {
    try {
      parse();
    } catch (const Error& error) {
      LYCEUM_CHECK(http_status(error.code()) < 500, "a bad message is its sender's fault");
    }
  };
  attempt([&] {
    const json::value value = parse_json({reinterpret_cast<const char*>(data), size}, "request body", api::kLfsBatchBytesMax);
    const json::object& body = get_object(value, "request body");
    attempt([&] { api::is_lfs_upload(body); });
    attempt([&] { LYCEUM_CHECK(api::parse_lfs_batch(body).objects.size() <= api::kLfsObjectsMax, "a batch has its limit"); });
    attempt([&] { api::parse_lfs_object(body); });
    attempt([&] {
      const auto parts = api::parse_lfs_parts(body, oid);
      for (size_t i = 0; i < parts.size(); ++i) LYCEUM_CHECK(parts[i].number == static_cast<int64_t>(i + 1), "parts come in order");
    });
  });
  return 0;
}
