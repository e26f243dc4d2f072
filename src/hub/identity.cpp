#include "hub/identity.h"

#include <array>
#include <utility>

namespace lyceum::hub {
namespace {

struct PermissionRow {
  std::string_view name;
  uint32_t own, included;
};

constexpr std::array<PermissionRow, 7> kPermissions{{
    {"repo.content.read", kReadContent, 0},
    {"repo.write", kWriteRepo, kReadContent | kWriteDiscussion},
    {"discussion.write", kWriteDiscussion, 0},
    {"collection.read", kReadCollection, 0},
    {"collection.write", kWriteCollection, kReadCollection},
    {"org.read", kReadOrganisation, 0},
    {"org.write", kWriteOrganisation, kReadOrganisation},
}};

constexpr std::array<std::pair<std::string_view, Role>, 4> kRoles{{{"read", Role::read}, {"write", Role::write}, {"admin", Role::admin}, {"owner", Role::owner}}};

}  // namespace

std::string_view name(Role role) {
  for (const auto& [text, one] : kRoles)
    if (one == role) return text;
  return "";
}

std::optional<Role> find_role(std::string_view text) {
  for (const auto& [name, role] : kRoles)
    if (name == text) return role;
  return std::nullopt;
}

std::string_view name(Scope scope) {
  switch (scope) {
    case Scope::write: return "write";
    case Scope::fine_grained: return "fineGrained";
    case Scope::read: break;
  }
  return "read";
}

std::vector<std::string> permission_names(uint32_t permissions) {
  std::vector<std::string> out;
  for (const PermissionRow& row : kPermissions)
    if ((permissions & row.own) != 0) out.emplace_back(row.name);
  return out;
}

std::optional<uint32_t> find_permission(std::string_view text) {
  for (const PermissionRow& row : kPermissions)
    if (row.name == text) return row.own | row.included;
  return std::nullopt;
}

}  // namespace lyceum::hub
