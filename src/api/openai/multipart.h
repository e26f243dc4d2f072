// multipart.h: multipart/form-data bodies (RFC 7578), as HTTP clients send files with fields. Views into the body; nothing is copied.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lyceum::api {

struct FormPart {
  std::string name;                 // of the field
  std::string_view body;
};

class FormData {
 public:
  // content_type: the request's, with its boundary. `body` must outlive it. Error(invalid_argument) for another type, a broken body, more than 64
  // parts or part headers beyond 8 KiB.
  static FormData parse(std::string_view content_type, std::string_view body);

  const std::vector<FormPart>& parts() const noexcept { return parts_; }
  const FormPart* find(std::string_view name) const noexcept;          // the first of that name; null if there is none
  std::optional<std::string> text(std::string_view name) const;        // of a field; nullopt if it is absent or empty
  std::vector<std::string> texts(std::string_view name) const;         // of every field of that name, or of name[]

 private:
  std::vector<FormPart> parts_;
};

}  // namespace lyceum::api
