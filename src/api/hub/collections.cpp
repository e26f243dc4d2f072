// Collections. Item and collection have two names each: "_id" and the slug; clients use both.
#include "hub/collections.h"

#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/people_json.h"
#include "api/services.h"
#include "base/html.h"

namespace lyceum::api {
namespace {

constexpr size_t kItemsMax = 1000;
constexpr size_t kItemsInList = 4;   // a preview, as the Hub lists them
constexpr size_t kBatchMax = 100;

// Without "position": huggingface_hub counts positions of a list itself and stumbles over a second one.
json::object summary_json(const http::Request& request, const hub::Collection& collection) {
  return {{"_id", collection.public_id}, {"slug", collection.full_slug()}, {"title", collection.title}, {"description", collection.description},
          {"lastUpdated", iso8601(collection.modified_ms)}, {"gating", false}, {"owner", owner_json(collection.owner)}, {"theme", collection.theme},
          {"private", collection.is_private}, {"upvotes", collection.upvotes}, {"isUpvotedByUser", collection.upvoted}, {"numberItems", collection.items},
          {"shareUrl", request.base_url + "/collections/" + collection.full_slug()}};
}

json::object repo_item_json(const hub::Repo& repo) {
  const std::string plural(hub::plural(repo.repo_id.type)), type = plural.substr(0, plural.size() - 1);
  json::object out{{"type", type}, {"repoType", type}, {"id", repo.repo_id.full_name()}, {"author", repo.repo_id.owner}, {"downloads", repo.downloads}, {"likes", repo.likes},
                   {"private", repo.is_private}, {"gated", repo.gated.empty() ? json::value(false) : json::value(repo.gated)}, {"lastModified", iso8601(repo.modified_ms)},
                   {"isLikedByUser", false}};
  if (repo.repo_id.type == hub::RepoType::model && !repo.pipeline_tag.empty()) out["pipeline_tag"] = repo.pipeline_tag;
  if (repo.repo_id.type == hub::RepoType::space) out["tags"] = json::value_from(repo.tags);
  return out;
}

json::array items_json(Context& context, const hub::Collection& collection, size_t limit) {
  json::array out;
  for (const hub::CollectionItem& item : context.services.hub.collections().items(context.caller, collection, limit)) {
    json::object row;
    if (item.repo) {
      row = repo_item_json(*item.repo);
    } else {
      row = summary_json(context.request, *item.collection);
      row["type"] = "collection";
      row["id"] = item.collection->public_id;
    }
    row["_id"] = item.public_id;
    row["position"] = item.position;
    if (!item.note.empty()) row["note"] = json::object{{"text", item.note}, {"html", escape_html(item.note)}};
    out.push_back(std::move(row));
  }
  return out;
}

json::object full_json(Context& context, const hub::Collection& collection) {
  json::object out = summary_json(context.request, collection);
  out["position"] = collection.position;
  out["items"] = items_json(context, collection, kItemsMax);
  return out;
}

hub::Collection named(Context& context) { return context.services.hub.collections().get(context.caller, context.request.param("ns"), context.request.param("slug")); }

}  // namespace

http::Response list_collections(Context& context) {
  const Page page = find_page(context.request, 20, 100);
  hub::CollectionQuery query;
  query.owners = context.request.all_query("owner");
  for (const std::string& owner : context.request.all_query("owner[]")) query.owners.push_back(owner);
  query.items = context.request.all_query("item");
  for (const std::string& item : context.request.all_query("item[]")) query.items.push_back(item);
  query.text = context.request.find_query("q").value_or("");
  query.sort = context.request.find_query("sort").value_or("trending");
  if (query.sort != "trending" && query.sort != "upvotes" && query.sort != "lastModified") throw Error(Code::invalid_argument, "sort is trending, upvotes or lastModified.");
  query.offset = page.offset;
  query.limit = page.limit + 1;
  json::array out;
  for (const hub::Collection& one : context.services.hub.collections().list(context.caller, query)) {
    json::object row = summary_json(context.request, one);
    row["items"] = items_json(context, one, kItemsInList);
    out.push_back(std::move(row));
  }
  return page_answer(context.request, page, std::move(out));
}

http::Response create_collection(Context& context) {
  const json::object body = read_json_body(context);
  hub::Collections& collections = context.services.hub.collections();
  const std::string owner = find_string(body, "namespace").value_or(context.caller.user->name), title = get_string(body, "title");
  if (const auto there = collections.find_titled(context.caller, owner, title)) {
    // huggingface_hub's exists_ok reads the slug from the refusal.
    http::Response response = error_answer(Error(Code::conflict, "There is a collection of this title in " + owner + " already."));
    response.body = json::serialize(json::object{{"error", "There is a collection of this title already."}, {"slug", there->full_slug()}});
    return response;
  }
  const hub::Collection made = collections.create(context.caller, owner, title, find_string(body, "description").value_or(""), find_bool(body, "private").value_or(false));
  if (const json::object* item = find_object(body, "item")) collections.add_item(context.caller, made, get_string(*item, "type"), get_string(*item, "id"), "");
  return json_answer(full_json(context, collections.get(context.caller, made.owner.name, made.unique_slug())));
}

http::Response describe_collection(Context& context) { return json_answer(full_json(context, named(context))); }

http::Response update_collection(Context& context) {
  const json::object body = read_json_body(context);
  const hub::Collection collection = named(context);
  hub::CollectionChange change;
  change.title = find_string(body, "title");
  change.description = find_string(body, "description");
  change.theme = find_string(body, "theme");
  change.is_private = find_bool(body, "private");
  change.position = find_int(body, "position");
  context.services.hub.collections().update(context.caller, collection, change);
  return json_answer(json::object{{"success", true}, {"data", full_json(context, named(context))}});
}

http::Response delete_collection(Context& context) {
  context.services.hub.collections().remove(context.caller, named(context));
  return json_answer(json::object{{"success", true}});
}

http::Response add_collection_item(Context& context) {
  const json::object body = read_json_body(context);
  const json::object* item = find_object(body, "item");
  if (item == nullptr) throw Error(Code::invalid_argument, "item is missing: {\"id\": …, \"type\": …}.");
  context.services.hub.collections().add_item(context.caller, named(context), get_string(*item, "type"), get_string(*item, "id"), find_string(body, "note").value_or(""));
  return json_answer(full_json(context, named(context)));
}

http::Response change_collection_items(Context& context) {
  const json::value body = parse_json(read_body(context), "request body", kJsonBodyLimit);
  if (!body.is_array() || body.as_array().size() > kBatchMax) throw Error(Code::invalid_argument, "A batch is a list of at most 100 changes.");
  const hub::Collection collection = named(context);
  hub::Collections& collections = context.services.hub.collections();
  for (const json::value& one : body.as_array()) {
    const json::object& change = get_object(one, "a change");
    const std::string action = find_string(change, "action").value_or("update"), item = get_string(change, "_id");
    if (action == "delete") {
      collections.remove_item(context.caller, collection, item);
    } else if (action == "update") {
      const json::object* data = find_object(change, "data");
      if (data != nullptr) collections.update_item(context.caller, collection, item, find_string(*data, "note"), find_int(*data, "position"));
    } else {
      throw Error(Code::invalid_argument, "action is update or delete.");
    }
  }
  return json_answer(full_json(context, named(context)));
}

http::Response update_collection_item(Context& context) {
  const json::object body = read_json_body(context);
  context.services.hub.collections().update_item(context.caller, named(context), context.request.param("item"), find_string(body, "note"), find_int(body, "position"));
  return json_answer(json::object{{"success", true}});
}

http::Response delete_collection_item(Context& context) {
  context.services.hub.collections().remove_item(context.caller, named(context), context.request.param("item"));
  return json_answer(json::object{{"success", true}});
}

http::Response upvote_collection(Context& context) {
  context.services.hub.collections().upvote(context.caller, named(context), true);
  return json_answer(json::object{{"upvotes", named(context).upvotes}});
}

http::Response downvote_collection(Context& context) {
  context.services.hub.collections().upvote(context.caller, named(context), false);
  return json_answer(json::object{{"upvotes", named(context).upvotes}});
}

}  // namespace lyceum::api
