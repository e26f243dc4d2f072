// collections.h: lists of repositories (and of other collections) under a name. A private collection is seen by whoever belongs to its
// namespace; an item that the caller may not see is left out of what he gets. Any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "hub/access.h"
#include "hub/audit.h"

namespace lyceum::hub {

struct Collection {
  int64_t id = 0;
  std::string public_id;             // 24 hex
  Account owner;
  std::string slug;                  // of the title
  std::string title, description, theme;
  bool is_private = false;
  int64_t position = 0, modified_ms = 0, upvotes = 0, items = 0;
  bool upvoted = false;              // by the caller
  std::string unique_slug() const { return slug + "-" + public_id; }
  std::string full_slug() const { return owner.name + "/" + unique_slug(); }
};

struct CollectionItem {
  std::string public_id, note;
  int64_t position = 0;
  std::optional<Repo> repo;          // one of the two
  std::optional<Collection> collection;
};

struct CollectionQuery {
  std::vector<std::string> owners;
  std::vector<std::string> items;    // "models/owner/name", "datasets/…", "spaces/…", "collections/owner/slug-id"; any of them
  std::string text;                  // in title or description
  std::string sort = "trending";     // or lastModified, upvotes
  size_t offset = 0, limit = 100;
};

struct CollectionChange {
  std::optional<std::string> title, description, theme;
  std::optional<bool> is_private;
  std::optional<int64_t> position;
};

class Collections {
 public:
  Collections(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // All throw Error(not_found) for a collection that the caller may not see, Error(forbidden) for a change he may not make.
  Collection create(const Caller& caller, const std::string& owner, const std::string& title, const std::string& description, bool is_private);
  std::optional<Collection> find_titled(const Caller& caller, const std::string& owner, const std::string& title);
  Collection get(const Caller& caller, std::string_view owner, std::string_view slug);  // "title-<24 hex>", or the title's slug alone
  std::vector<Collection> list(const Caller& caller, const CollectionQuery& query);
  std::vector<CollectionItem> items(const Caller& caller, const Collection& collection, size_t limit);
  void update(const Caller& caller, const Collection& collection, const CollectionChange& change);
  void remove(const Caller& caller, const Collection& collection);
  // type: "model", "dataset", "space", "collection". Error(conflict) if it is there already.
  void add_item(const Caller& caller, const Collection& collection, const std::string& type, const std::string& id, const std::string& note);
  void update_item(const Caller& caller, const Collection& collection, std::string_view item, std::optional<std::string> note, std::optional<int64_t> position);
  void remove_item(const Caller& caller, const Collection& collection, std::string_view item);
  void upvote(const Caller& caller, const Collection& collection, bool up);

 private:
  std::optional<Collection> find(Database& database, const Caller& caller, std::string_view owner, std::string_view slug);
  void change(const Caller& caller, const Collection& collection, const std::function<void(Database&)>& work);

  Store& store_;
  const Clock& clock_;
};

}  // namespace lyceum::hub
