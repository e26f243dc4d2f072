#include <cstring>

#include "base/error.h"
#include "hub/hub_impl.h"

// Term and chunk lists are stored as one compact BLOB each (a file of a million chunks is one row): a term is 32 bytes of xorb hash and
// two little-endian 32-bit chunk numbers and its 32-bit length in bytes (a xorb has 64 MiB at most), a chunk is 32 bytes of hash and its length.
namespace lyceum::hub {
namespace {

void append_u32(std::string& out, uint32_t value) {
  char bytes[4];
  std::memcpy(bytes, &value, sizeof bytes);
  out.append(bytes, sizeof bytes);
}

std::string pack_terms(const std::vector<Hub::XetTerm>& terms) {
  std::string out;
  out.reserve(terms.size() * 44);
  for (const Hub::XetTerm& term : terms) {
    out += digest_bytes(term.xorb);
    append_u32(out, term.chunk_begin);
    append_u32(out, term.chunk_end);
    append_u32(out, static_cast<uint32_t>(term.length));
  }
  return out;
}

std::vector<Hub::XetTerm> unpack_terms(const std::string& bytes) {
  std::vector<Hub::XetTerm> out;
  ByteReader reader(as_bytes(bytes), "stored Xet terms");
  while (reader.remaining() > 0) {
    Hub::XetTerm term;
    term.xorb = to_hex(reader.take(32));
    term.chunk_begin = reader.read<uint32_t>();
    term.chunk_end = reader.read<uint32_t>();
    term.length = reader.read<uint32_t>();
    out.push_back(std::move(term));
  }
  return out;
}

std::string pack_chunks(const std::vector<Hub::XorbChunk>& chunks) {
  std::string out;
  out.reserve(chunks.size() * 36);
  for (const Hub::XorbChunk& chunk : chunks) {
    out += digest_bytes(chunk.hash);
    append_u32(out, chunk.length);
  }
  return out;
}

std::vector<Hub::XorbChunk> unpack_chunks(const std::string& bytes) {
  std::vector<Hub::XorbChunk> out;
  ByteReader reader(as_bytes(bytes), "stored xorb");
  while (reader.remaining() > 0) {
    std::string hash = to_hex(reader.take(32));
    out.push_back({std::move(hash), reader.read<uint32_t>()});
  }
  return out;
}

Hub::XetFile read_file_row(const Rows& rows) {
  return {to_hex(as_bytes(rows.text(0))), to_hex(as_bytes(rows.text(1))), static_cast<uint64_t>(rows.integer(2)), unpack_terms(rows.text(3))};
}

}  // namespace

std::optional<Hub::XetFile> HubImpl::find_xet_file(std::string_view file_hash) {
  if (!is_hex(file_hash, 64)) return std::nullopt;
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT f.hash, b.sha256, f.size, f.terms FROM xet_files f JOIN blobs b ON b.id = f.blob_id WHERE f.hash = ?1",
                            Blob{digest_bytes(file_hash)});
  return rows.step() ? std::optional(read_file_row(rows)) : std::nullopt;
}

std::optional<Hub::XetFile> HubImpl::find_xet_file_by_sha256(std::string_view sha256) {
  if (!is_hex(sha256, 64)) return std::nullopt;
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT f.hash, b.sha256, f.size, f.terms FROM blobs b JOIN xet_files f ON f.blob_id = b.id WHERE b.sha256 = ?1 LIMIT 1",
                            Blob{digest_bytes(sha256)});
  return rows.step() ? std::optional(read_file_row(rows)) : std::nullopt;
}

std::optional<std::vector<Hub::XorbChunk>> HubImpl::find_xorb(std::string_view xorb_hash) {
  if (!is_hex(xorb_hash, 64)) return std::nullopt;
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT chunks FROM xet_xorbs WHERE hash = ?1", Blob{digest_bytes(xorb_hash)});
  return rows.step() ? std::optional(unpack_chunks(rows.text(0))) : std::nullopt;
}

std::optional<Hub::ChunkPlace> HubImpl::find_chunk(std::string_view chunk_hash) {
  if (!is_hex(chunk_hash, 64)) return std::nullopt;
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT b.sha256, c.\"offset\", c.length FROM xet_chunks c JOIN blobs b ON b.id = c.blob_id WHERE c.hash = ?1",
                            Blob{digest_bytes(chunk_hash)});
  if (!rows.step()) return std::nullopt;
  return ChunkPlace{to_hex(as_bytes(rows.text(0))), static_cast<uint64_t>(rows.integer(1)), static_cast<uint32_t>(rows.integer(2))};
}

void HubImpl::index_xet(const XetFile& file, const std::vector<std::pair<std::string, ChunkPlace>>& chunks,
                        const std::map<std::string, std::vector<XorbChunk>>& xorbs) {
  if (!blobs_->has(file.sha256)) {
    throw Error(Code::not_found, "cannot index the Xet file " + file.file_hash + ": its content " + file.sha256 + " is not stored");
  }
  if (blobs_->get_size(file.sha256) != file.size) throw Error(Code::unprocessable, "the Xet file " + file.file_hash + " has another size than its content");
  std::vector<std::string> digests;
  digests.reserve(chunks.size());
  for (const auto& [hash, place] : chunks) digests.push_back(digest_bytes(hash));
  transact([&](Database& database) {
    std::map<std::string, int64_t> ids;
    const auto blob_id = [&](const std::string& sha256) {
      const auto found = ids.find(sha256);
      return found != ids.end() ? found->second : ids.emplace(sha256, ensure_blob_id(database, sha256)).first->second;
    };
    database.run("INSERT INTO xet_files (hash, blob_id, size, terms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (hash) DO NOTHING",
                 Blob{digest_bytes(file.file_hash)}, blob_id(file.sha256), file.size, Blob{pack_terms(file.terms)});
    std::vector<Value> values;
    values.reserve(chunks.size() * 4);
    for (size_t i = 0; i < chunks.size(); ++i) {
      const ChunkPlace& place = chunks[i].second;
      values.insert(values.end(), {Blob{digests[i]}, blob_id(place.sha256), place.offset, place.length});
    }
    database.insert_rows("INSERT INTO xet_chunks (hash, blob_id, \"offset\", length) VALUES", 4, values, "ON CONFLICT DO NOTHING");
    for (const auto& [hash, list] : xorbs) {
      database.run("INSERT INTO xet_xorbs (hash, chunks) VALUES (?1, ?2) ON CONFLICT DO NOTHING", Blob{digest_bytes(hash)}, Blob{pack_chunks(list)});
    }
  });
}

}  // namespace lyceum::hub
