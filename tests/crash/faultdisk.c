// faultdisk: a disk with a volatile write cache that a test can cut off or break. A FUSE file system with two files:
//
//   disk     the contents. A loop device over it hands us every block that the kernel writes and every cache flush (as fsync).
//   control  one command a write: "cut SEED", "break WRITES", "heal"; reading it gives "pending N flushes N broken 0|1".
//
// What a real disk promises, and nothing more: a block is durable once a flush was answered after it. "cut" is the loss of power: of each
// block written since the last flush the disk keeps one of its versions since then, or the one before them, drawn from SEED; from that
// instant every request fails, so nothing can be flushed, and so acknowledged, any more. "break N": after N more writes, writes and flushes
// fail with EIO until "heal". "heal" also brings the power back.
//
//   cc -O2 faultdisk.c $(pkg-config --cflags --libs fuse3) -o faultdisk;  faultdisk -s -f -o backing=FILE MOUNTPOINT
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 4096 };  // what a disk writes whole or not at all

struct Version {
  struct Version* older;
  unsigned char bytes[BLOCK];
};

static const char* backing;
static unsigned char* contents;   // what reads see
static size_t size;
static struct Version** unflushed;  // by block: what it held before each write since the last flush, newest first
static size_t* touched;             // blocks that have versions
static size_t touched_count;
static unsigned long flushes;
static int dead;
static long writes_left = -1;  // until writes fail; -1: never

static uint64_t draw(uint64_t* state) {  // splitmix64
  uint64_t z = (*state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static void forget_versions(size_t block) {
  while (unflushed[block] != NULL) {
    struct Version* newest = unflushed[block];
    unflushed[block] = newest->older;
    free(newest);
  }
}

static void flush_cache(void) {
  for (size_t i = 0; i < touched_count; ++i) forget_versions(touched[i]);
  touched_count = 0;
  ++flushes;
}

static int remember(size_t block) {
  struct Version* version = malloc(sizeof *version);
  if (version == NULL) return -ENOMEM;
  memcpy(version->bytes, contents + block * BLOCK, BLOCK);
  if (unflushed[block] == NULL) touched[touched_count++] = block;
  version->older = unflushed[block];
  unflushed[block] = version;
  return 0;
}

// A quarter of the cuts lose the whole cache, a quarter keep it, and half keep what they like of it.
static void cut_power(uint64_t seed) {
  uint64_t state = seed;
  const uint64_t kind = draw(&state) % 4;
  for (size_t i = 0; i < touched_count; ++i) {
    const size_t block = touched[i];
    size_t back = 0, count = 0;
    for (struct Version* v = unflushed[block]; v != NULL; v = v->older) ++count;
    if (kind == 0) back = count;
    else if (kind > 1) back = draw(&state) % (count + 1);
    struct Version* chosen = unflushed[block];
    for (size_t k = 1; k < back; ++k) chosen = chosen->older;
    if (back > 0) memcpy(contents + block * BLOCK, chosen->bytes, BLOCK);
    forget_versions(block);
  }
  touched_count = 0;
  dead = 1;
}

static int is_disk(const char* path) { return strcmp(path, "/disk") == 0; }

static int do_getattr(const char* path, struct stat* st, struct fuse_file_info* info) {
  (void)info;
  memset(st, 0, sizeof *st);
  if (strcmp(path, "/") == 0) {
    st->st_mode = S_IFDIR | 0700;
    st->st_nlink = 2;
    return 0;
  }
  if (!is_disk(path) && strcmp(path, "/control") != 0) return -ENOENT;
  st->st_mode = S_IFREG | 0600;
  st->st_nlink = 1;
  st->st_size = is_disk(path) ? (off_t)size : 0;
  return 0;
}

static int do_readdir(const char* path, void* buffer, fuse_fill_dir_t fill, off_t at, struct fuse_file_info* info, enum fuse_readdir_flags flags) {
  (void)path, (void)at, (void)info, (void)flags;
  fill(buffer, "disk", NULL, 0, 0);
  fill(buffer, "control", NULL, 0, 0);
  return 0;
}

static int do_open(const char* path, struct fuse_file_info* info) {
  (void)path;
  info->direct_io = 1;  // the kernel keeps no copy: every write and read comes here
  return 0;
}

static int do_truncate(const char* path, off_t to, struct fuse_file_info* info) {
  (void)path, (void)to, (void)info;
  return 0;
}

static int do_read(const char* path, char* out, size_t length, off_t at, struct fuse_file_info* info) {
  (void)info;
  if (!is_disk(path)) {
    char text[128];
    const int n = snprintf(text, sizeof text, "pending %zu flushes %lu broken %d\n", touched_count, flushes, dead || writes_left == 0);
    if (at >= n) return 0;
    if (length > (size_t)(n - at)) length = (size_t)(n - at);
    memcpy(out, text + at, length);
    return (int)length;
  }
  if (dead) return -EIO;
  if ((size_t)at >= size) return 0;
  if (length > size - (size_t)at) length = size - (size_t)at;
  memcpy(out, contents + at, length);
  return (int)length;
}

static int obey(const char* text) {
  unsigned long long seed;
  long count;
  if (sscanf(text, "cut %llu", &seed) == 1) cut_power(seed);
  else if (sscanf(text, "break %ld", &count) == 1) writes_left = count;
  else if (strncmp(text, "heal", 4) == 0) dead = 0, writes_left = -1;
  else return -EINVAL;
  return 0;
}

static int do_write(const char* path, const char* bytes, size_t length, off_t at, struct fuse_file_info* info) {
  (void)info;
  if (!is_disk(path)) {
    char text[64] = {0};
    memcpy(text, bytes, length < sizeof text ? length : sizeof text - 1);
    const int result = obey(text);
    return result != 0 ? result : (int)length;
  }
  if (dead || writes_left == 0) return -EIO;
  if (writes_left > 0) --writes_left;
  if ((size_t)at + length > size) return -ENOSPC;
  for (size_t block = (size_t)at / BLOCK; block * BLOCK < (size_t)at + length; ++block) {
    const int result = remember(block);
    if (result != 0) return result;
  }
  memcpy(contents + at, bytes, length);
  return (int)length;
}

static int do_fsync(const char* path, int data_only, struct fuse_file_info* info) {
  (void)data_only, (void)info;
  if (!is_disk(path)) return 0;
  if (dead || writes_left == 0) return -EIO;
  flush_cache();
  return 0;
}

static const struct fuse_operations operations = {
    .getattr = do_getattr, .readdir = do_readdir, .open = do_open, .truncate = do_truncate, .read = do_read, .write = do_write, .fsync = do_fsync};

int main(int argc, char** argv) {
  struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
  const struct fuse_opt options[] = {{"backing=%s", 0, 0}, FUSE_OPT_END};
  if (fuse_opt_parse(&args, &backing, options, NULL) != 0 || backing == NULL) return 2;
  const int fd = open(backing, O_RDWR);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0) return perror(backing), 1;
  size = (size_t)st.st_size / BLOCK * BLOCK;
  contents = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  unflushed = calloc(size / BLOCK, sizeof *unflushed);
  touched = calloc(size / BLOCK, sizeof *touched);
  if (contents == MAP_FAILED || unflushed == NULL || touched == NULL) return perror("memory"), 1;
  return fuse_main(args.argc, args.argv, &operations, NULL);
}
