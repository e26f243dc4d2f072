// process.h: runs a program with pipes on its standard input and output, and optionally a second pair on descriptors 3 and 4
// through which a git hook talks to us. Nothing else of ours is inherited. A process still running when the object dies is killed.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace lyceum::api {

struct ProcessOptions {
  std::vector<std::string> arguments;     // arguments[0] is found on PATH
  std::vector<std::string> environment;   // "NAME=value", added to PATH and LANG only
  bool hook_channel = false;              // descriptors 3 (hook → us) and 4 (us → hook)
};

class Process {
 public:
  explicit Process(const ProcessOptions& options);  // throws Error(internal) if the program cannot be started
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  bool write(std::string_view bytes);     // to its standard input; false once it has closed it
  void close_input();
  size_t read(char* into, size_t size);   // from its standard output; 0 at the end
  std::string read_all(size_t limit_bytes);
  int wait();                             // exit status, or 128 + signal
  void kill() noexcept;
  void terminate() noexcept;              // asks it to end
  int pid() const noexcept { return pid_; }   // -1 once it was waited for

  int hook_read_fd() const { return hook_read_.get(); }
  int hook_write_fd() const { return hook_write_.get(); }
  void close_hook() { hook_read_.reset(), hook_write_.reset(); }

 private:
  pid_t pid_ = -1;
  UniqueFd input_, output_, hook_read_, hook_write_;
};

}  // namespace lyceum::api
