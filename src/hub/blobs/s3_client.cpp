#include "hub/blobs/s3_client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <exception>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/random.h"

namespace lyceum::hub {
namespace {

constexpr int kTriesMax = 6;
constexpr size_t kAnswerMax = 16u << 20;  // a listing has 1000 items, about 300 KB
const std::string kEmptySha256 = sha256_hex(std::string_view());

int64_t wall_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void pause_before_try(int number) {
  static thread_local Rng rng(static_cast<uint64_t>(std::hash<std::thread::id>()(std::this_thread::get_id())));
  const uint64_t longest_ms = 100ULL << std::min(number, 6);
  std::this_thread::sleep_for(std::chrono::milliseconds(longest_ms / 2 + rng.below(longest_ms / 2)));
}

uint64_t parse_size(std::string_view text) {
  uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) throw Error(Code::unprocessable, "the S3 store sent a size that is no number");
  return out;
}

std::string resolve_entities(std::string_view text) {
  static constexpr std::pair<std::string_view, char> kEntities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&#34;", '"'}, {"&#39;", '\''}};
  std::string out;
  while (!text.empty()) {
    const auto* const entity = std::find_if(std::begin(kEntities), std::end(kEntities), [&](const auto& item) { return text.starts_with(item.first); });
    out.push_back(entity != std::end(kEntities) ? entity->second : text.front());
    text.remove_prefix(entity != std::end(kEntities) ? entity->first.size() : 1);
  }
  return out;
}

}  // namespace

std::string find_xml_text(std::string_view xml, std::string_view tag) {
  const std::string open = "<" + std::string(tag) + ">", close = "</" + std::string(tag) + ">";
  const size_t begin = xml.find(open);
  const size_t end = begin == std::string_view::npos ? begin : xml.find(close, begin);
  if (end == std::string_view::npos) return {};
  return resolve_entities(xml.substr(begin + open.size(), end - begin - open.size()));
}

S3Page parse_s3_list(std::string_view xml) {
  if (xml.find("<ListBucketResult") == std::string_view::npos) throw Error(Code::unprocessable, "the S3 store sent no listing");
  constexpr std::string_view kOpen = "<Contents>", kClose = "</Contents>";
  S3Page page;
  for (size_t at = xml.find(kOpen); at != std::string_view::npos; at = xml.find(kOpen, at)) {
    const size_t end = xml.find(kClose, at);
    if (end == std::string_view::npos) throw Error(Code::unprocessable, "the S3 store sent a listing that is cut off");
    const std::string_view item = xml.substr(at, end - at);
    page.items.push_back({find_xml_text(item, "Key"), parse_size(find_xml_text(item, "Size"))});
    at = end;
  }
  if (find_xml_text(xml, "IsTruncated") == "true") page.next = find_xml_text(xml, "NextContinuationToken");
  return page;
}

struct S3Client::Answer {
  long status = 0;
  std::string body, etag, failure;  // failure: what libcurl says when there was no answer
  int64_t content_length = -1;      // -1: not said
  int64_t modified_s = -1;
  std::exception_ptr sink_error;
};

// What is sent: a part of a file, or a text.
struct S3Client::Body {
  std::string text;
  int fd = -1;
  uint64_t offset = 0, size = 0;  // of the file part
  std::string sha256 = kEmptySha256;
  uint64_t length() const { return fd >= 0 ? size : text.size(); }
};

// libcurl handles with their open connections, used again.
struct S3Client::Handles {
  std::mutex mutex;
  std::vector<CURL*> idle;
  ~Handles() {
    for (CURL* handle : idle) curl_easy_cleanup(handle);
  }
  CURL* take() {
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) {
        CURL* const handle = idle.back();
        idle.pop_back();
        return handle;
      }
    }
    CURL* const handle = curl_easy_init();
    if (handle == nullptr) throw std::bad_alloc();
    return handle;
  }
  void give_back(CURL* handle) noexcept {
    curl_easy_reset(handle);
    const std::lock_guard lock(mutex);
    if (idle.size() < 32) idle.push_back(handle);
    else curl_easy_cleanup(handle);
  }
};

S3Client::S3Client(S3Options options) : options_(std::move(options)), handles_(std::make_unique<Handles>()) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) throw Error(Code::internal, "libcurl could not start");
  const size_t separator = options_.endpoint.find("://");
  scheme_ = options_.endpoint.substr(0, separator);
  if (separator == std::string::npos || (scheme_ != "http" && scheme_ != "https")) {
    throw Error(Code::invalid_argument, "--s3-endpoint must start with https:// or http://");
  }
  if (options_.bucket.empty()) throw Error(Code::invalid_argument, "--s3-endpoint needs --s3-bucket, the name of an existing bucket");
  if (options_.key_id.empty() || options_.secret.empty()) {
    throw Error(Code::invalid_argument, "--s3-endpoint needs --s3-key-id, and the secret in LYCEUM_S3_SECRET or in the file that --s3-secret-file names");
  }
  host_ = options_.endpoint.substr(separator + 3);
  while (host_.ends_with('/')) host_.pop_back();
  if (options_.path_style) path_prefix_ = "/" + options_.bucket;
  else host_ = options_.bucket + "." + host_;
}

S3Client::~S3Client() = default;

S3Request S3Client::make_request(std::string method, const std::string& key, std::map<std::string, std::string> query) {
  S3Request request;
  request.method = std::move(method);
  request.host = host_;
  request.path = path_prefix_ + "/" + key;
  request.query = std::move(query);
  return request;
}

S3Client::Answer S3Client::call(S3Request request, const Body& body, const std::function<void(Bytes)>& sink) {
  request.payload_sha256 = body.sha256;
  uint64_t delivered = 0;
  const auto counted = [&](Bytes bytes) {
    delivered += bytes.size();
    sink(bytes);
  };
  for (int number = 1;; ++number) {
    S3Request signed_request = request;
    sign(signed_request, {options_.key_id, options_.secret, options_.region}, wall_clock_ms());
    Answer answer = call_once(std::move(signed_request), body, sink ? std::function<void(Bytes)>(counted) : sink);
    if (answer.sink_error) std::rethrow_exception(answer.sink_error);
    const bool busy = answer.status == 0 || answer.status == 429 || answer.status >= 500;
    if (!busy || delivered > 0 || number == kTriesMax) {
      if (answer.status != 0) return answer;
      throw Error(Code::unavailable, "the S3 store at " + options_.endpoint + " does not answer: " + answer.failure);
    }
    pause_before_try(number);
  }
}

namespace {

struct Transfer {
  const std::string* text = nullptr;
  int fd = -1;
  uint64_t offset = 0, left = 0, text_at = 0;
  CURL* handle = nullptr;
  const std::function<void(Bytes)>* sink = nullptr;
  std::string* answer = nullptr;
  std::string* etag = nullptr;
  std::exception_ptr error;
};

size_t send_bytes(char* out, size_t size, size_t count, void* pointer) {
  auto& transfer = *static_cast<Transfer*>(pointer);
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(size * count, transfer.left));
  if (wanted == 0) return 0;
  if (transfer.fd < 0) {
    transfer.text->copy(out, wanted, transfer.text_at);
    transfer.text_at += wanted;
    transfer.left -= wanted;
    return wanted;
  }
  const ssize_t got = ::pread(transfer.fd, out, wanted, static_cast<off_t>(transfer.offset));
  if (got <= 0) return CURL_READFUNC_ABORT;
  transfer.offset += static_cast<uint64_t>(got);
  transfer.left -= static_cast<uint64_t>(got);
  return static_cast<size_t>(got);
}

size_t receive_bytes(const char* data, size_t size, size_t count, void* pointer) {
  auto& transfer = *static_cast<Transfer*>(pointer);
  const size_t length = size * count;
  long status = 0;
  curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &status);
  try {
    if (*transfer.sink && status >= 200 && status < 300) {
      (*transfer.sink)(as_bytes(std::string_view(data, length)));
    } else {
      if (transfer.answer->size() + length > kAnswerMax) throw Error(Code::too_large, "the S3 store sent an answer that is too long");
      transfer.answer->append(data, length);
    }
    return length;
  } catch (...) {
    transfer.error = std::current_exception();  // no exception may cross libcurl
    return 0;
  }
}

size_t receive_header(const char* data, size_t size, size_t count, void* pointer) {
  const std::string_view line(data, size * count);
  constexpr std::string_view kName = "etag:";
  const bool is_etag = line.size() > kName.size() && std::equal(kName.begin(), kName.end(), line.begin(), [](char a, char b) { return a == (b | 0x20) || a == b; });
  if (is_etag) {
    const size_t begin = line.find_first_not_of(" ", kName.size());
    const size_t end = line.find_last_not_of("\r\n ");
    if (begin != std::string_view::npos && end >= begin) static_cast<Transfer*>(pointer)->etag->assign(line.substr(begin, end - begin + 1));
  }
  return size * count;
}

struct HeaderList {
  curl_slist* list = nullptr;
  ~HeaderList() { curl_slist_free_all(list); }
  void add(const std::string& line) {
    curl_slist* const longer = curl_slist_append(list, line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    list = longer;
  }
};

void set_up(CURL* handle, const S3Request& request, const std::string& url, const HeaderList& headers, Transfer& transfer) {
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.list);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, 10L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, 60L);
  curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 256L * 1024);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, receive_bytes);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, receive_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  if (request.method == "HEAD") {
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(handle, CURLOPT_FILETIME, 1L);
  }
  if (request.method == "PUT" || request.method == "POST") {
    curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, send_bytes);
    curl_easy_setopt(handle, CURLOPT_READDATA, &transfer);
    curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(transfer.left));
  }
}

}  // namespace

S3Client::Answer S3Client::call_once(S3Request request, const Body& body, const std::function<void(Bytes)>& sink) {
  Answer answer;
  const std::string query = query_text(request.query);
  const std::string url = scheme_ + "://" + request.host + encode_uri(request.path, true) + (query.empty() ? "" : "?" + query);
  HeaderList headers;
  for (const auto& [name, value] : request.headers) headers.add(name + ": " + value);
  headers.add("Expect:");
  headers.add("Content-Type:");
  CURL* const handle = handles_->take();
  Transfer transfer;
  transfer.text = &body.text;
  transfer.fd = body.fd;
  transfer.offset = body.offset;
  transfer.left = body.length();
  transfer.handle = handle;
  transfer.sink = &sink;
  transfer.answer = &answer.body;
  transfer.etag = &answer.etag;
  set_up(handle, request, url, headers, transfer);
  const CURLcode code = curl_easy_perform(handle);
  curl_off_t length = -1;
  curl_easy_getinfo(handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (code == CURLE_OK) curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer.status);
  else answer.failure = curl_easy_strerror(code);
  answer.content_length = length;
  curl_off_t modified = -1;
  curl_easy_getinfo(handle, CURLINFO_FILETIME_T, &modified);
  answer.modified_s = modified;
  answer.sink_error = transfer.error;
  handles_->give_back(handle);
  return answer;
}

void S3Client::fail(const S3Request& request, const Answer& answer) const {
  const std::string reason = find_xml_text(answer.body, "Code");
  const std::string where = request.method + " " + request.path + " at " + options_.endpoint;
  if (answer.status == 403) throw Error(Code::internal, "the S3 store refused " + where + " (" + reason + "); check --s3-key-id, its secret, --s3-region and the clock of this machine");
  if (reason == "NoSuchBucket") throw Error(Code::internal, "the S3 store has no bucket " + options_.bucket + "; create it, or correct --s3-bucket");
  if (answer.status == 404) throw Error(Code::not_found, "the S3 store has no " + request.path);
  if (answer.status == 507) throw Error(Code::storage_full, "the S3 store is full");
  const Code code = answer.status == 429 || answer.status >= 500 ? Code::unavailable : Code::internal;
  throw Error(code, "the S3 store answered " + std::to_string(answer.status) + " " + reason + " to " + where);
}

std::optional<uint64_t> S3Client::find_size(const std::string& key) {
  const S3Request request = make_request("HEAD", key);
  const Answer answer = call(request, {});
  if (answer.status == 404) return std::nullopt;
  if (answer.status != 200) fail(request, answer);
  // A header that was cut off in the middle looks like an answer; an object is never taken for empty because of it.
  if (answer.content_length < 0) throw Error(Code::unavailable, "the S3 store did not say how long " + key + " is; try again");
  return static_cast<uint64_t>(answer.content_length);
}

std::optional<int64_t> S3Client::find_modified_ms(const std::string& key) {
  const S3Request request = make_request("HEAD", key);
  const Answer answer = call(request, {});
  if (answer.status == 404) return std::nullopt;
  if (answer.status != 200) fail(request, answer);
  if (answer.modified_s < 0) throw Error(Code::internal, "the S3 store does not say when " + key + " was changed");
  return answer.modified_s * 1000;
}

void S3Client::put_text(const std::string& key, const std::string& text) {
  const S3Request request = make_request("PUT", key);
  const Answer answer = call(request, {text, -1, 0, 0, sha256_hex(text)});
  if (answer.status != 200) fail(request, answer);
}

// A transfer that breaks in the middle is taken up where it stopped.
void S3Client::get(const std::string& key, uint64_t offset, uint64_t length, const std::function<void(Bytes)>& sink) {
  if (length == 0) return;
  const uint64_t end = offset + length;
  for (int number = 1; offset < end; ++number) {
    S3Request request = make_request("GET", key);
    request.headers["range"] = "bytes=" + std::to_string(offset) + "-" + std::to_string(end - 1);
    const uint64_t before = offset;
    try {
      const Answer answer = call(request, {}, [&](Bytes bytes) {
        offset += bytes.size();
        sink(bytes);
      });
      if (answer.status == 416) throw Error(Code::range_unsatisfiable, "the range is behind the end of the object");
      if (answer.status != 206 && answer.status != 200) fail(request, answer);
      if (answer.status == 200 && before != 0) throw Error(Code::internal, "the S3 store ignores ranges");
    } catch (const Error& error) {
      if (error.code() != Code::unavailable || offset == before || number == kTriesMax) throw;
    }
    if (offset == before) throw Error(Code::unavailable, "the S3 store sent less than it has");
  }
}

void S3Client::put_file(const std::string& key, const std::filesystem::path& file, uint64_t size, const std::string& sha256) {
  if (size > options_.part_bytes) {
    put_parts(key, file, size);
  } else {
    const UniqueFd fd = open_file(file, O_RDONLY);
    const S3Request request = make_request("PUT", key);
    const Answer answer = call(request, {{}, fd.get(), 0, size, sha256});
    if (answer.status != 200) fail(request, answer);
  }
  const auto stored = find_size(key);
  if (stored != size) throw Error(Code::unavailable, "the S3 store does not have " + key + " after it was sent; try again");
}

void S3Client::put_parts(const std::string& key, const std::filesystem::path& file, uint64_t size) {
  const S3Request start = make_request("POST", key, {{"uploads", ""}});
  const Answer started = call(start, {});
  const std::string upload = find_xml_text(started.body, "UploadId");
  if (started.status != 200 || upload.empty()) fail(start, started);
  try {
    const MappedFile bytes(file);
    const UniqueFd fd = open_file(file, O_RDONLY);
    std::string list = "<CompleteMultipartUpload>";
    int number = 0;
    for (uint64_t offset = 0; offset < size; offset += options_.part_bytes) {
      const uint64_t length = std::min(options_.part_bytes, size - offset);
      const S3Request part = make_request("PUT", key, {{"partNumber", std::to_string(++number)}, {"uploadId", upload}});
      const Answer answer = call(part, {{}, fd.get(), offset, length, sha256_hex(bytes.bytes().subspan(offset, length))});
      if (answer.status != 200) fail(part, answer);
      list += "<Part><PartNumber>" + std::to_string(number) + "</PartNumber><ETag>" + answer.etag + "</ETag></Part>";
    }
    list += "</CompleteMultipartUpload>";
    const S3Request complete = make_request("POST", key, {{"uploadId", upload}});
    const std::string digest = sha256_hex(list);
    const Answer answer = call(complete, {std::move(list), -1, 0, 0, digest});
    // S3 may answer 200 and put the error into the body, because it starts to answer before it is done.
    if (answer.status != 200 || answer.body.find("<Error>") != std::string::npos) fail(complete, answer);
  } catch (...) {
    try {
      call(make_request("DELETE", key, {{"uploadId", upload}}), {});
    } catch (const Error&) {
      // The first error is the one to report; the bucket's rule for unfinished uploads takes the parts.
    }
    throw;
  }
}

void S3Client::remove(const std::string& key) {
  const S3Request request = make_request("DELETE", key);
  const Answer answer = call(request, {});
  if (answer.status != 204 && answer.status != 200 && answer.status != 404) fail(request, answer);
}

S3Page S3Client::list(const std::string& prefix, const std::string& next) {
  std::map<std::string, std::string> query{{"list-type", "2"}, {"prefix", prefix}};
  if (!next.empty()) query["continuation-token"] = next;
  const S3Request request = make_request("GET", "", std::move(query));
  const Answer answer = call(request, {});
  if (answer.status != 200) fail(request, answer);
  return parse_s3_list(answer.body);
}

void S3Client::check_bucket() { list(options_.prefix + "blobs/", ""); }

std::string S3Client::presigned_url(const std::string& key, int64_t lifetime_s, const std::map<std::string, std::string>& query) {
  return scheme_ + "://" + host_ + presigned_path(make_request("GET", key, query), {options_.key_id, options_.secret, options_.region}, wall_clock_ms(), lifetime_s);
}

}  // namespace lyceum::hub
