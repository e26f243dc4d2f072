// sd_notify.h: tells systemd about this process (Type=notify), by the protocol of sd_notify(3): one datagram to $NOTIFY_SOCKET.
#pragma once

#include <string_view>

namespace lyceum {

// "READY=1", "STOPPING=1", … Does nothing outside systemd. Never fails: nobody could do anything about it.
void sd_notify(std::string_view state) noexcept;

}  // namespace lyceum
