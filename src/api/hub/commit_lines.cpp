#include "api/hub/commit_lines.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/json.h"

namespace lyceum::api {

void CommitLines::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (pending_.size() + part.size() > limits_.line_bytes)
      throw Error(Code::too_large, "Line " + std::to_string(line_ + 1) + " of the commit is over " + std::to_string(limits_.line_bytes) +
                                       " bytes; send large files through LFS or Xet.");
    pending_ += part;
    if (end == std::string_view::npos) return;
    take_line(pending_);
    pending_.clear();
    if (pending_.capacity() > (1u << 20)) pending_ = {};  // one large file must not cost its size until the end
    bytes.remove_prefix(end + 1);
  }
}

hub::CommitRequest CommitLines::finish() {
  if (!pending_.empty()) take_line(pending_);
  pending_.clear();
  if (!has_header_) throw Error(Code::invalid_argument, "The commit has no header line.");
  return std::move(request_);
}

void CommitLines::take_line(std::string_view line) {
  ++line_;
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  const std::string what = "line " + std::to_string(line_) + " of the commit";
  const json::value parsed = parse_json(line, what, limits_.line_bytes);
  const json::object& object = get_object(parsed, what);
  const std::string key = get_string(object, "key");
  const json::object* value = find_object(object, "value");
  if (!value) throw Error(Code::invalid_argument, what + " has no value.");
  if (key == "header") take_header(*value);
  else if (key == "file") take_file(*value);
  else if (key == "lfsFile") take_large_file(*value);
  else if (key == "deletedFile" || key == "deletedEntry") add(hub::DeleteEntry{get_string(*value, "path"), false});
  else if (key == "deletedFolder") {
    std::string path = get_string(*value, "path");
    while (path.ends_with('/')) path.pop_back();
    add(hub::DeleteEntry{path, true});
  } else {
    throw Error(Code::invalid_argument, what + " has the unknown key \"" + key + "\".");
  }
}

void CommitLines::take_header(const json::object& value) {
  request_.summary = find_string(value, "summary").value_or("");
  request_.description = find_string(value, "description").value_or("");
  request_.parent = find_string(value, "parentCommit").value_or("");
  has_header_ = true;
}

void CommitLines::take_file(const json::object& value) {
  const std::string path = get_string(value, "path");
  std::string content = get_string(value, "content");
  const std::string encoding = find_string(value, "encoding").value_or("utf-8");
  if (encoding == "base64") {
    auto decoded = find_from_base64(content);
    if (!decoded) throw Error(Code::invalid_argument, path + ": the content is not valid base64.");
    content = std::move(*decoded);
  } else if (encoding != "utf-8") {
    throw Error(Code::invalid_argument, path + ": unknown encoding \"" + encoding + "\"; it is base64 or utf-8.");
  }
  total_bytes_ += content.size();
  if (total_bytes_ > limits_.total_bytes) throw Error(Code::too_large, "The files of this commit are over " + std::to_string(limits_.total_bytes) + " bytes; split it.");
  add(spool_.keep(path, std::move(content)));
}

void CommitLines::take_large_file(const json::object& value) {
  const std::string path = get_string(value, "path");
  std::string oid = get_string(value, "oid");
  if (oid.starts_with("sha256:")) oid.erase(0, 7);
  if (const auto algo = find_string(value, "algo"); algo && *algo != "sha256")
    throw Error(Code::invalid_argument, path + ": large files are named by sha256, not " + *algo + ".");
  if (!is_hex(oid, 64)) throw Error(Code::invalid_argument, path + ": oid is not a SHA-256 in hexadecimal.");
  const int64_t size = find_int(value, "size").value_or(0);  // absent for copies: the stored size counts
  add(hub::AddLargeFile{path, oid, size > 0 ? static_cast<uint64_t>(size) : 0});
}

void CommitLines::add(hub::CommitAction action) {
  if (request_.actions.size() >= limits_.actions) throw Error(Code::too_large, "A commit may have at most " + std::to_string(limits_.actions) + " changes; split it.");
  request_.actions.push_back(std::move(action));
}

}  // namespace lyceum::api
