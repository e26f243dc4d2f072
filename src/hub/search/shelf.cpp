#include "hub/search/shelf.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <thread>

#include "base/error.h"

namespace lyceum::hub::search {

namespace {

constexpr size_t kManyChanges = 100'000;

uint8_t popularity_of(const Metrics& metrics) { return static_cast<uint8_t>(std::bit_width(uint64_t{1} + metrics.downloads + uint64_t{10} * metrics.likes)); }

// The same list with the rows' new numbers; rows without one are left out.
Postings remapped(const Postings& rows, const std::vector<uint32_t>& moved) {
  Postings out;
  rows.for_each([&](uint32_t row) {
    if (moved[row] != Shelf::kNone) out.add(moved[row]);
    return true;
  });
  return out;
}

}  // namespace

Shelf::Shelf(RepoType type) : type_(type), name_starts_{0}, tag_starts_{0} { make_orders(); }

void Shelf::make_orders() {
  for (size_t i = 0; i < kSortCount; ++i) {
    const auto sort = static_cast<Sort>(i);
    orders_[i] = std::make_unique<Order>([this, sort](uint32_t a, uint32_t b) { return before(sort, a, b); },
                                         [this, sort](std::vector<uint32_t>& rows) { sort_rows(sort, rows); });
  }
}

uint32_t Shelf::intern_tag(std::string_view text) {
  const uint32_t tag = tag_names_.intern(text);
  if (tag < tags_.size()) return tag;
  tags_.emplace_back();
  const TagMeaning meaning = meaning_of(type_, text);
  tag_kinds_.push_back(meaning.kind);
  // Words of what a tag says find its rows. Names of other repositories would drown the rest.
  const bool is_name = meaning.kind == TagKind::base_model || meaning.kind == TagKind::dataset || text.starts_with("base_model:");
  if (is_name) return tag;
  for_each_word(meaning.label, [&](std::string_view word) {
    auto& tags = word_tags_[intern_word(word)];
    if (tags.empty() || tags.back() != tag) tags.push_back(tag);
  });
  return tag;
}

uint32_t Shelf::intern_word(std::string_view text) {
  const uint32_t word = words_.intern(lower(text));
  if (word == named_.size()) named_.emplace_back();
  return word;
}

Postings& Shelf::card_rows(uint32_t word) {
  if (word >= cards_of_.size()) cards_of_.resize(std::max<size_t>(word + 1, cards_of_.size() + cards_of_.size() / 2), 0);
  if (cards_of_[word] == 0) {
    cards_of_[word] = static_cast<uint32_t>(cards_.size());
    cards_.emplace_back();
  }
  return cards_[cards_of_[word]];
}

void Shelf::add_texts(const Entry& entry, uint32_t row) {
  const std::string name = lower(entry.owner + "/" + entry.name);
  names_.insert(names_.end(), name.begin(), name.end());
  name_starts_.push_back(static_cast<uint32_t>(names_.size()));
  for_each_word(name, [&](std::string_view word) { named_[intern_word(word)].add(row); });
  for_each_word(entry.words, [&](std::string_view word) { card_rows(intern_word(word)).add(row); });
  const size_t begin = row_tags_.size();
  for (const std::string& text : entry.tags) row_tags_.push_back(intern_tag(text));
  for (const uint32_t tag : {tasks_of_[row], libraries_of_[row]}) {
    if (tag != kNone) row_tags_.push_back(tag);
  }
  std::sort(row_tags_.begin() + static_cast<ptrdiff_t>(begin), row_tags_.end());
  row_tags_.erase(std::unique(row_tags_.begin() + static_cast<ptrdiff_t>(begin), row_tags_.end()), row_tags_.end());
  tag_starts_.push_back(static_cast<uint32_t>(row_tags_.size()));
  for (size_t i = begin; i < row_tags_.size(); ++i) tags_[row_tags_[i]].add(row);
}

uint32_t Shelf::add(const Entry& entry) {
  const uint32_t row = rows();
  ids_.push_back(entry.id);
  owner_ids_.push_back(static_cast<uint32_t>(entry.owner_id));
  created_.push_back(entry.created_ms);
  const bool linked = std::any_of(entry.tags.begin(), entry.tags.end(), [](const std::string& tag) { return tag.starts_with("model:") || tag.starts_with("dataset:"); });
  flags_.push_back(static_cast<uint8_t>((entry.is_private ? kPrivate : 0) | (entry.disabled ? kDisabled : 0) | (entry.gated ? kGated : 0) | (entry.runnable ? kRunnable : 0) | (linked ? kLinked : 0)));
  dead_.push_back(0);
  metrics_.push_back(entry.metrics);
  parameters_.push_back(entry.parameters);
  sizes_.push_back(static_cast<uint8_t>(entry.parameters == 0 ? 0 : 1 + size_class(entry.parameters)));
  ++size_counts_[sizes_.back()];
  popularity_.push_back(popularity_of(entry.metrics));
  name_hashes_.push_back(hash_of_name(lower(entry.name)));
  bytes_.push_back(entry.bytes);
  tasks_of_.push_back(entry.pipeline_tag.empty() ? kNone : intern_tag(entry.pipeline_tag));
  libraries_of_.push_back(entry.library_name.empty() ? kNone : intern_tag(entry.library_name));
  add_texts(entry, row);
  owners_of_.push_back(owner_names_.intern(entry.owner));
  if (owners_.size() < owner_names_.size()) owners_.emplace_back();
  owners_[owners_of_.back()].add(row);
  const auto id = static_cast<size_t>(entry.id);
  if (id >= row_of_id_.size()) row_of_id_.resize(std::max(id + 1, row_of_id_.size() + row_of_id_.size() / 2), kNone);
  row_of_id_[id] = row;
  for (const auto& order : orders_) order->note(row);
  return row;
}

void Shelf::set_metrics(uint32_t row, const Metrics& now) {
  const Metrics old = metrics_[row];
  metrics_[row] = now;
  popularity_[row] = popularity_of(now);
  const auto note = [&](Sort sort, bool changed) {
    if (changed) order(sort).note(row);
  };
  note(Sort::modified, old.modified_ms != now.modified_ms);
  note(Sort::downloads, old.downloads != now.downloads);
  note(Sort::likes, old.likes != now.likes);
  note(Sort::likes_30d, old.likes_30d != now.likes_30d);
  note(Sort::trending, old.trending != now.trending);
}

void Shelf::kill(uint32_t row) {
  dead_[row] = 1;
  ++dead_count_;
  row_of_id_[static_cast<size_t>(ids_[row])] = kNone;
  for (const auto& order : orders_) order->note(row);
}

void Shelf::compact() {
  std::vector<uint32_t> moved(rows(), kNone);
  uint32_t count = 0;
  for (uint32_t row = 0; row < rows(); ++row) {
    if (dead_[row] == 0) moved[row] = count++;
  }
  std::vector<char> names;
  std::vector<uint32_t> name_starts{0}, row_tags, tag_starts{0};
  for (uint32_t row = 0; row < rows(); ++row) {
    if (moved[row] == kNone) continue;
    const std::string_view text = name(row);
    names.insert(names.end(), text.begin(), text.end());
    name_starts.push_back(static_cast<uint32_t>(names.size()));
    const auto [begin, end] = tags(row);
    row_tags.insert(row_tags.end(), begin, end);
    tag_starts.push_back(static_cast<uint32_t>(row_tags.size()));
  }
  names_ = std::move(names);
  name_starts_ = std::move(name_starts);
  row_tags_ = std::move(row_tags);
  tag_starts_ = std::move(tag_starts);
  const auto pack = [&](auto& column) {
    for (size_t row = 0; row < moved.size(); ++row) {
      if (moved[row] != kNone) column[moved[row]] = column[row];
    }
    column.resize(count);
  };
  for (Postings& one : tags_) one = remapped(one, moved);
  for (Postings& one : owners_) one = remapped(one, moved);
  for (Postings& one : named_) one = remapped(one, moved);
  for (Postings& one : cards_) one = remapped(one, moved);
  [&](auto&... columns) { (pack(columns), ...); }(ids_, created_, owner_ids_, flags_, metrics_, parameters_, bytes_, owners_of_, tasks_of_, libraries_of_, dead_, sizes_, popularity_, name_hashes_);
  dead_count_ = 0;
  size_counts_ = {};
  for (const uint8_t size : sizes_) ++size_counts_[size];
  for (uint32_t row = 0; row < count; ++row) row_of_id_[static_cast<size_t>(ids_[row])] = row;
  make_orders();
  for (const auto& order : orders_) {
    for (uint32_t row = 0; row < count; ++row) order->note(row);
  }
}

void Shelf::prepare() {
  if (orders_[0]->pending() < kManyChanges) {
    if (!words_.sorted()) words_.sort();
    for (const auto& order : orders_) order->prepare(dead_);
    return;
  }
  // After a load: every order by itself.
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i <= kSortCount; i = next++) {
      if (i > 0) orders_[kSortCount - i]->prepare(dead_);  // the slowest, by name, is the last: it begins first
      else if (!words_.sorted()) words_.sort();
    }
  };
  std::vector<std::jthread> helpers;
  for (unsigned i = 1; i < std::min(4u, std::thread::hardware_concurrency()); ++i) helpers.emplace_back(work);
  work();
}

std::optional<uint32_t> Shelf::find_row(int64_t id) const {
  const auto at = static_cast<size_t>(id);
  if (id < 0 || at >= row_of_id_.size() || row_of_id_[at] == kNone) return std::nullopt;
  return row_of_id_[at];
}

uint16_t Shelf::hash_of_name(std::string_view text) {
  const size_t slash = text.find('/');
  const size_t hash = std::hash<std::string_view>()(slash == std::string_view::npos ? text : text.substr(slash + 1));
  return static_cast<uint16_t>(hash ^ (hash >> 16));
}

bool Shelf::is_called(uint32_t row, std::string_view text) const {
  const std::string_view own = name(row);
  return own.ends_with(text) && (own.size() == text.size() || own[own.size() - text.size() - 1] == '/');
}

bool Shelf::has_tag(uint32_t row, uint32_t tag) const {
  const auto [begin, end] = tags(row);
  return std::find(begin, end, tag) != end;
}

int64_t Shelf::key(Sort sort, uint32_t row) const {
  switch (sort) {
    case Sort::modified: return metrics_[row].modified_ms;
    case Sort::created: return created_[row];
    case Sort::downloads: return metrics_[row].downloads;
    case Sort::likes: return metrics_[row].likes;
    case Sort::likes_30d: return metrics_[row].likes_30d;
    case Sort::trending: return metrics_[row].trending;
    case Sort::parameters: return static_cast<int64_t>(parameters_[row]);
    case Sort::bytes: return static_cast<int64_t>(bytes_[row]);
    case Sort::id:
    case Sort::relevance: break;
  }
  return 0;
}

// Largest first, the newest of equals first; names from A to Z.
bool Shelf::before(Sort sort, uint32_t a, uint32_t b) const {
  if (sort == Sort::id) {
    const int order = name(a).compare(name(b));
    return order != 0 ? order < 0 : ids_[a] > ids_[b];
  }
  const int64_t left = key(sort, a), right = key(sort, b);
  return left != right ? left > right : ids_[a] > ids_[b];
}

void Shelf::sort_rows(Sort sort, std::vector<uint32_t>& rows) const {
  if (sort == Sort::id) return sort_by_name(rows);
  // Keys beside their rows: sorting then touches no other memory.
  struct Keyed {
    int64_t key;
    uint32_t row;
  };
  std::vector<Keyed> keyed;
  keyed.reserve(rows.size());
  for (const uint32_t row : rows) keyed.push_back({key(sort, row), row});
  std::sort(keyed.begin(), keyed.end(), [this](const Keyed& a, const Keyed& b) { return a.key != b.key ? a.key > b.key : ids_[a.row] > ids_[b.row]; });
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = keyed[i].row;
}

// The first eight letters as a number decide most comparisons without a look at the names.
void Shelf::sort_by_name(std::vector<uint32_t>& rows) const {
  struct Keyed {
    uint64_t letters;
    uint32_t row;
  };
  std::vector<Keyed> keyed;
  keyed.reserve(rows.size());
  for (const uint32_t row : rows) {
    const std::string_view text = name(row);
    uint64_t letters = 0;
    for (size_t i = 0; i < 8; ++i) letters = letters << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0u);
    keyed.push_back({letters, row});
  }
  std::sort(keyed.begin(), keyed.end(), [this](const Keyed& a, const Keyed& b) { return a.letters != b.letters ? a.letters < b.letters : before(Sort::id, a.row, b.row); });
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = keyed[i].row;
}

uint64_t Shelf::memory_bytes() const {
  const auto size = [](const auto&... columns) { return ((columns.size() * sizeof(columns[0])) + ... + 0); };
  uint64_t total = size(ids_, created_, owner_ids_, flags_, dead_, metrics_, parameters_, bytes_, owners_of_, tasks_of_, libraries_of_, names_, name_starts_, row_tags_, tag_starts_,
                        row_of_id_, tags_, owners_, named_, cards_of_, cards_, sizes_, popularity_, name_hashes_);
  total += words_.memory_bytes() + tag_names_.memory_bytes() + owner_names_.memory_bytes();
  for (const Postings& one : tags_) total += one.heap_bytes();
  for (const Postings& one : owners_) total += one.heap_bytes();
  for (const Postings& one : named_) total += one.heap_bytes();
  for (const Postings& one : cards_) total += one.heap_bytes();
  total += word_tags_.size() * 72;  // an estimate: node, key and a short vector
  for (const auto& order : orders_) total += order->memory_bytes();
  return total;
}

}  // namespace lyceum::hub::search
