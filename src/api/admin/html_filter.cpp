#include "api/admin/html_filter.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

namespace lyceum::api {
namespace {

constexpr size_t kDepthLimit = 128;

constexpr std::array kElements = {
    "a", "b", "blockquote", "br", "caption", "center", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "i", "img", "input", "ins", "kbd", "li", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "summary", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var"};
constexpr std::array kVoid = {"br", "hr", "img", "input"};
// What they hold is not text for readers: dropped with everything up to their end tag.
constexpr std::array kDropped = {"script", "style", "iframe", "xmp", "noembed", "noframes", "noscript", "plaintext", "textarea", "title", "template",
                                 "svg", "math", "object", "select", "audio", "video", "head"};

template <typename List>
bool contains(const List& list, std::string_view name) {
  return std::any_of(list.begin(), list.end(), [&](std::string_view one) { return one == name; });
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// Numeric references and the five of XML; other names stay as they are, and their '&' is escaped again on the way out, so an
// address can only become more literal than its author meant.
std::string decode_entities(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text[0] == '&' ? text.substr(0, 12).find(';') : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += text[0];
      text.remove_prefix(1);
      continue;
    }
    const std::string_view name = text.substr(1, end - 1);
    uint32_t code = 0;
    if (name.starts_with('#')) {
      const bool hex = name.size() > 1 && (name[1] == 'x' || name[1] == 'X');
      const std::string_view digits = name.substr(hex ? 2 : 1);
      const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
      if (error != std::errc{} || stop != digits.data() + digits.size() || code > 0x10ffff) code = 0;
    } else {
      code = name == "amp" ? '&' : name == "lt" ? '<' : name == "gt" ? '>' : name == "quot" ? '"' : name == "apos" ? '\'' : 0;
    }
    if (code == 0) {
      out += text[0];
      text.remove_prefix(1);
    } else {
      append_utf8(out, code);
      text.remove_prefix(end + 1);
    }
  }
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      case '\0': break;
      default: out += c;
    }
  }
  return out;
}

// Text keeps well-formed references ("&nbsp;") and escapes every other special character.
std::string escape_text(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '&') {
      out += escape(text.substr(i, 1));
      continue;
    }
    const size_t end = text.substr(i, 34).find(';');
    const std::string_view name = end == std::string_view::npos ? "" : text.substr(i + 1, end - 1);
    const bool reference = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '#'; });
    out += reference ? "&" : "&amp;";
  }
  return out;
}

// What a browser ignores inside an address: controls and the spaces round it.
std::string clean_url(std::string_view raw) {
  std::string out;
  for (const char c : decode_entities(raw))
    if (static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '\\') out += c;
  return out;
}

// Resolves "a/../b" below the base; nullopt if it climbs out of it.
std::optional<std::string> resolve_relative(std::string_view path, const HtmlBase& base) {
  const size_t cut = std::min(path.find_first_of("?#"), path.size());
  const std::string_view tail = path.substr(cut);
  path = path.substr(0, cut);
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part == "..") {
      if (parts.empty()) return std::nullopt;
      parts.pop_back();
    } else if (part != "." && !part.empty()) {
      parts.push_back(part);
    }
    begin = end + 1;
  }
  std::string out = base.files;
  for (size_t i = 0; i < parts.size(); ++i) out += (i ? "/" : "") + std::string(parts[i]);
  return out + std::string(tail);
}

bool has_scheme(std::string_view url) {
  const size_t colon = url.find(':');
  return colon != std::string_view::npos && colon < std::min(url.find_first_of("/?#"), url.size());
}

std::optional<std::string> safe_link(std::string_view raw, const HtmlBase& base) {
  const std::string url = clean_url(raw);
  const std::string scheme = lower(url.substr(0, 8));
  if (scheme.starts_with("http://") || scheme.starts_with("https://") || scheme.starts_with("mailto:")) return url;
  if (has_scheme(url) || url.starts_with("//")) return std::nullopt;
  if (url.starts_with("#") || url.starts_with("/")) return url;
  return resolve_relative(url, base);
}

std::optional<std::string> safe_picture(std::string_view raw, const HtmlBase& base) {
  const std::string url = clean_url(raw);
  if (url.empty() || has_scheme(url) || url.starts_with("//")) return std::nullopt;
  return url.starts_with("/") ? url : resolve_relative(url, base);
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 5 && std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '%'; });
}

bool is_language(std::string_view text) {
  return text.starts_with("language-") && text.size() < 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '_' || c == '#'; });
}

struct Attribute {
  std::string name;
  std::string_view value;
};

struct Tag {
  std::string name;
  bool closing = false;
  std::vector<Attribute> attributes;
  size_t end = 0;  // one past '>'
};

// The tag that starts at html[at] == '<', or nullopt if it is no tag (then '<' is text).
std::optional<Tag> find_tag(std::string_view html, size_t at) {
  Tag tag;
  size_t i = at + 1;
  if (i < html.size() && html[i] == '/') tag.closing = true, ++i;
  if (i >= html.size() || !is_letter(html[i])) return std::nullopt;
  const size_t name = i;
  while (i < html.size() && !is_space(html[i]) && html[i] != '/' && html[i] != '>') ++i;
  tag.name = lower(html.substr(name, i - name));
  while (i < html.size() && html[i] != '>') {
    if (is_space(html[i]) || html[i] == '/') {
      ++i;
      continue;
    }
    const size_t key = i++;
    while (i < html.size() && !is_space(html[i]) && html[i] != '/' && html[i] != '>' && html[i] != '=') ++i;
    Attribute attribute{lower(html.substr(key, i - key)), {}};
    size_t value = i;
    while (value < html.size() && is_space(html[value])) ++value;
    if (value < html.size() && html[value] == '=') {
      i = value + 1;
      while (i < html.size() && is_space(html[i])) ++i;
      const bool quoted = i < html.size() && (html[i] == '"' || html[i] == '\'');
      const size_t begin = quoted ? i + 1 : i;
      if (quoted) i = html.find(html[i], begin);
      else while (i < html.size() && !is_space(html[i]) && html[i] != '>') ++i;
      if (i == std::string_view::npos) return std::nullopt;  // a quote that never ends: no tag at all
      attribute.value = html.substr(begin, i - begin);
      if (quoted) ++i;
    }
    tag.attributes.push_back(std::move(attribute));
  }
  if (i >= html.size()) return std::nullopt;
  tag.end = i + 1;
  return tag;
}

class Filter {
 public:
  Filter(std::string_view html, const HtmlBase& base) : html_(html), base_(base) {}

  std::string run() {
    while (at_ < html_.size()) {
      const size_t next = std::min(html_.find('<', at_), html_.size());
      out_ += escape_text(html_.substr(at_, next - at_));
      at_ = next;
      if (at_ < html_.size()) take_markup();
    }
    while (!open_.empty()) close_top();
    return std::move(out_);
  }

 private:
  void take_markup() {
    if (html_.substr(at_).starts_with("<!--")) return skip_past("-->");
    if (html_.substr(at_).starts_with("<!") || html_.substr(at_).starts_with("<?")) return skip_past(">");
    const auto tag = find_tag(html_, at_);
    if (!tag) {
      out_ += "&lt;";
      ++at_;
      return;
    }
    at_ = tag->end;
    if (contains(kDropped, tag->name)) {
      if (!tag->closing) drop_content(tag->name);
    } else if (contains(kElements, tag->name)) {
      tag->closing ? close(tag->name) : open(*tag);
    }
  }

  void skip_past(std::string_view mark) {
    const size_t end = html_.find(mark, at_);
    at_ = end == std::string_view::npos ? html_.size() : end + mark.size();
  }

  void drop_content(const std::string& name) {
    while (at_ < html_.size()) {
      const size_t next = html_.find("</", at_);
      if (next == std::string_view::npos) break;
      at_ = next + 2;
      if (lower(html_.substr(at_, name.size())) == name) return skip_past(">");
    }
    at_ = html_.size();
  }

  void open(const Tag& tag) {
    if (open_.size() >= kDepthLimit) return;
    if (tag.name == "img" && !is_picture_allowed(tag)) return blocked_picture(tag);
    if (tag.name == "input" && !is_task_box(tag)) return;
    out_ += "<" + tag.name;
    for (const Attribute& attribute : tag.attributes) write_attribute(tag.name, attribute);
    if (tag.name == "a") out_ += " rel=\"noopener noreferrer nofollow ugc\"";
    if (tag.name == "img") out_ += " loading=\"lazy\"";
    if (tag.name == "input") out_ += " type=\"checkbox\" disabled";
    out_ += ">";
    if (!contains(kVoid, tag.name)) open_.push_back(tag.name);
  }

  // Closes what was opened since; an end tag without its start is dropped.
  void close(const std::string& name) {
    if (std::find(open_.begin(), open_.end(), name) == open_.end()) return;
    while (open_.back() != name) close_top();
    close_top();
  }
  void close_top() {
    out_ += "</" + open_.back() + ">";
    open_.pop_back();
  }

  bool is_picture_allowed(const Tag& tag) const {
    return std::any_of(tag.attributes.begin(), tag.attributes.end(), [&](const Attribute& one) { return one.name == "src" && safe_picture(one.value, base_); });
  }
  void blocked_picture(const Tag& tag) {
    std::string label = "picture from another site, not loaded";
    for (const Attribute& one : tag.attributes)
      if (one.name == "alt" && !one.value.empty()) label = decode_entities(one.value);
    out_ += "<span class=\"blocked-picture\">" + escape(label) + "</span>";
  }
  static bool is_task_box(const Tag& tag) {
    return std::any_of(tag.attributes.begin(), tag.attributes.end(), [](const Attribute& one) { return one.name == "type" && lower(one.value) == "checkbox"; });
  }

  void write(std::string_view name, std::string_view value) { out_ += " " + std::string(name) + "=\"" + escape(value) + "\""; }

  void write_attribute(std::string_view element, const Attribute& attribute) {
    const std::string& name = attribute.name;
    const std::string value = decode_entities(attribute.value);
    const bool cell = element == "td" || element == "th";
    if (element == "a" && name == "href") {
      if (const auto url = safe_link(attribute.value, base_)) write("href", *url);
    } else if (element == "img" && name == "src") {
      if (const auto url = safe_picture(attribute.value, base_)) write("src", *url);
    } else if (name == "title" || (element == "img" && name == "alt")) {
      write(name, value);
    } else if (name == "align" && (value == "left" || value == "right" || value == "center")) {
      write(name, value);
    } else if (((element == "img" && (name == "width" || name == "height")) || (cell && (name == "colspan" || name == "rowspan")) ||
                (element == "ol" && name == "start")) && is_number(value)) {
      write(name, value);
    } else if (element == "code" && name == "class" && is_language(value)) {
      write(name, value);
    } else if ((element == "input" && name == "checked") || (element == "details" && name == "open")) {
      out_ += " " + name;
    }
  }

  std::string_view html_;
  const HtmlBase& base_;
  size_t at_ = 0;
  std::string out_;
  std::vector<std::string> open_;
};

}  // namespace

std::string filter_html(std::string_view html, const HtmlBase& base) { return Filter(html, base).run(); }

}  // namespace lyceum::api
