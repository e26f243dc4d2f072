// xet.h: what the rest of the program needs of the Xet protocol: its routes, where a client finds them, the Xet hash of a large
// file, and the index that gives every large file one.
//
// A Xet client uploads chunks packed into xorbs, then a shard that says which chunks make which file; it reads a file by asking
// for its reconstruction and fetching ranges of xorbs. Here files stay whole (design, section 3): xorbs wait in staging/ until
// their shard comes, are then written out as files, and later reads are put together from those files.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "api/groups.h"
#include "api/route.h"

namespace lyceum::api {

// Base address of the content-addressed store, as handed out with tokens: "<base_url>/xet/<store id>". The store id differs
// between data folders: clients cache by address what they believe is stored, and must not believe it of a new hub on an old port.
std::string xet_base_url(const http::Request& request, hub::Hub& hub);

// The Xet hash to advertise for a large file of this repository; nullopt while it is not indexed (the file is then read plainly).
std::optional<std::string> find_xet_hash(hub::Hub& hub, const hub::Repo& repo, std::string_view sha256);

// Gives a stored blob its Xet view: cuts it into chunks, hashes them and writes the index. Reads the whole file once; does
// nothing if it is indexed. For files that came through LFS or git.
void index_blob(hub::Hub& hub, std::string_view sha256);

// Indexes blobs one after another on a thread of its own, and once an hour clears abandoned uploads out of staging/.
// Nothing is lost when it dies with work in its queue: the next request for the file can enqueue it again.
class XetIndexer {
 public:
  explicit XetIndexer(hub::Hub& hub);
  ~XetIndexer();  // stops after the blob in hand
  void enqueue(std::string sha256);  // a blob that waits already is not added twice; any thread
  size_t queued();                   // blobs that wait
  void wait_idle();                  // for tests

 private:
  void run();

  hub::Hub& hub_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> queue_;
  std::set<std::string> waiting_;
  bool busy_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace lyceum::api
