// Lines of a metadata dump of any bytes: every line is added, or refused with a reason; what was added is found.
#include <cstdlib>

#include "base/clock.h"
#include "base/files.h"
#include "hub/catalogue.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  static const TempFolder folder(std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp");
  static FakeClock clock;
  static const auto hub = [] {
    hub::HubOptions options;
    options.data_folder = folder.path() / "data";
    return hub::Hub::open(options, clock);
  }();
  const uint64_t before = hub->catalogue().size(hub::RepoType::model);
  const auto report = hub->catalogue().import(hub::RepoType::model, {reinterpret_cast<const char*>(data), size});
  LYCEUM_CHECK(hub->catalogue().size(hub::RepoType::model) == before + report.added, "what was added is listed");
  return 0;
}
