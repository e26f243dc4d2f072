// fail_calls: loaded into the hub with LD_PRELOAD, makes its system calls on regular files fail when a test says so.
//
// FAIL_CALLS names a file of five 32-bit integers that both sides map: kinds (bits below), countdown, how many calls fail after it, errno,
// and how many failed so far. It is armed while kinds is not 0. A write may also be cut short (errno 0): half of it happens.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITES = 1, SYNCS = 2, RENAMES = 4, CREATES = 8 };

static volatile int32_t* orders;  // kinds, countdown, length, errno, failed

__attribute__((constructor)) static void start(void) {
  const char* path = getenv("FAIL_CALLS");
  const int fd = path != NULL ? (int)open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void* const mapped = mmap(NULL, 5 * sizeof(int32_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped != MAP_FAILED) orders = mapped;
  close(fd);
}

// 1: this call fails, with errno set; 2: it is to be cut short.
static int is_due(int kind) {
  if (orders == NULL || (orders[0] & kind) == 0) return 0;
  if (__atomic_sub_fetch(&orders[1], 1, __ATOMIC_SEQ_CST) >= 0) return 0;
  if (__atomic_sub_fetch(&orders[2], 1, __ATOMIC_SEQ_CST) < 0) return 0;
  __atomic_add_fetch(&orders[4], 1, __ATOMIC_SEQ_CST);
  errno = orders[3];
  return orders[3] == 0 ? 2 : 1;
}

static int is_file(int fd) {
  struct stat st;
  return orders != NULL && orders[0] != 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void* bytes, size_t length) {
  static __typeof__(&write) real;
  if (real == NULL) real = REAL(write);
  const int due = is_file(fd) ? is_due(WRITES) : 0;
  if (due == 1) return -1;
  return real(fd, bytes, due == 2 && length > 1 ? length / 2 : length);
}

ssize_t pwrite64(int fd, const void* bytes, size_t length, off64_t at) {
  static __typeof__(&pwrite64) real;
  if (real == NULL) real = REAL(pwrite64);
  const int due = is_file(fd) ? is_due(WRITES) : 0;
  if (due == 1) return -1;
  return real(fd, bytes, due == 2 && length > 1 ? length / 2 : length, at);
}

ssize_t pwrite(int fd, const void* bytes, size_t length, off_t at) { return pwrite64(fd, bytes, length, at); }

int fsync(int fd) {
  static __typeof__(&fsync) real;
  if (real == NULL) real = REAL(fsync);
  return is_due(SYNCS) == 1 ? -1 : real(fd);
}

int fdatasync(int fd) {
  static __typeof__(&fdatasync) real;
  if (real == NULL) real = REAL(fdatasync);
  return is_due(SYNCS) == 1 ? -1 : real(fd);
}

int rename(const char* from, const char* to) {
  static __typeof__(&rename) real;
  if (real == NULL) real = REAL(rename);
  return is_due(RENAMES) == 1 ? -1 : real(from, to);
}

static int open_with(const char* name, const char* path, int flags, mode_t mode) {
  if ((flags & O_CREAT) != 0 && is_due(CREATES) == 1) return -1;
  return ((int (*)(const char*, int, ...))dlsym(RTLD_NEXT, name))(path, flags, mode);
}

static mode_t mode_of(int flags, va_list more) { return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0; }

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  return open_with("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  return open_with("open64", path, flags, mode);
}
