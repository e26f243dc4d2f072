// chunk_source.h: finds the chunks of a xorb wherever they are: in staging/ or in stored files.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/xet/staging.h"
#include "hub/hub.h"
#include "xet/hash.h"

namespace lyceum::api {

// One at a time per object. Keeps few files mapped, so memory does not grow with the number of xorbs or files touched.
class ChunkSource {
 public:
  explicit ChunkSource(hub::Hub& hub) : hub_(hub), staging_(hub) {}

  // All chunks of a xorb. Error(invalid_argument), naming the remedy, when the xorb is not known here.
  const std::vector<xet::Chunk>& chunks(const xet::Hash& xorb);

  // The content of one chunk, checked against its hash when it comes out of a stored file. Valid until the next call.
  // Error(invalid_argument) if this chunk of the xorb was never stored.
  Bytes read(const xet::Hash& xorb, size_t index);

 private:
  struct OpenXorb {
    xet::Hash hash;
    std::unique_ptr<StagedXorb> staged;  // null: its chunks are in stored files
    std::vector<xet::Chunk> chunks;
  };
  OpenXorb& open(const xet::Hash& xorb);
  Bytes read_placed(const xet::Chunk& chunk);

  hub::Hub& hub_;
  Staging staging_;
  std::list<OpenXorb> xorbs_;                                           // most recently used first
  std::list<std::pair<std::string, std::unique_ptr<MappedFile>>> blobs_;  // the same
};

}  // namespace lyceum::api
