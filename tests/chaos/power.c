// Power loss, for processes that run with this library preloaded: notes what they make durable.
//
// Purpose    kill -9 loses nothing that was write()n: the page cache outlives the process. A power cut does. So the calls that make
//            something durable are noted, outside of the directory that is watched, and after a kill -9 of everybody `power.py` makes
//            the directory what a disk would have after the power came back.
// Use        LD_PRELOAD=power.so VOLLEY_POWER_ROOT=<directory, absolute> VOLLEY_POWER_NOTES=<directory on the same file system>;
//            children (the embedded redis-server) inherit it.
// Notes      <notes>/notes, a line each, appended in one write() (so all processes share it, in the order in which things happened):
//              S inode size path   fsync or fdatasync of a file returned; its size before the call. What is appended meanwhile is
//                                  not counted, and the line is there before the caller hears that the call succeeded.
//              D path              fsync of a directory returned; before the call it had: path, '\t', inode ' ' name, ...
//              T inode size        a file was cut
//            <notes>/kept/<inode>  a second link to what was unlinked or replaced by rename(): until its directory is synced, the old
//                                  name may come back. It also keeps the inode from being given to another file.
// The model  Of a file, what was there when it was last synced is there again; more of it, up to all, may be. A new file's name is
//            durable with the first sync of the file or of its directory, as ext4, XFS and Btrfs have it; a rename or an unlink only
//            with a sync of the directory. Directories come with what is in them.
// Limits     Nothing but appending is modelled: a process that writes below the end of a file that it has synced is stopped by abort()
//            (Volley and Redis do not; a lock file with a pid in it is never synced). A cut counts as durable at once. Within the tail
//            that was not synced, bytes are lost from the end: no holes, no garbage, no block of zeros before good ones. Files written by
//            mmap, sendfile, copy_file_range, fallocate or io_uring, stdio's own writes (their sync is noted), sync(),
//            sync_file_range and O_SYNC are not seen. A disk that lies about its cache is beyond all of this.
// Thread     Any. Errors: without its notes it stops the process: a test that notes nothing proves nothing.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536
enum { kUnknown, kOther, kAppends, kSeeks };

static char root[4096], kept[4200], notes_path[4200];
static int notes = -1;
static _Atomic unsigned char kinds[FDS];            // what a descriptor is, found out at its first write
static _Atomic unsigned long long synced_inodes[4096];  // those that a write below the end must not touch; a small set by hash

static void stop(const char* why) {
  (void)!write(2, why, strlen(why));
  abort();
}

#define REAL(type, name, ...)                                      \
  static type (*real)(__VA_ARGS__);                                \
  if (real == NULL) {                                              \
    real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name);          \
    if (real == NULL) stop("power.so: no " #name " to call\n");    \
  }

static int real_open(const char* path, int flags, mode_t mode) {
  REAL(int, open64, const char*, int, ...)
  return real(path, flags, mode);
}

__attribute__((constructor)) static void begin(void) {
  const char* watched = getenv("VOLLEY_POWER_ROOT");
  const char* where = getenv("VOLLEY_POWER_NOTES");
  if (watched == NULL || where == NULL || realpath(watched, root) == NULL) stop("power.so: VOLLEY_POWER_ROOT, VOLLEY_POWER_NOTES\n");
  snprintf(kept, sizeof kept, "%s/kept", where);
  snprintf(notes_path, sizeof notes_path, "%s/notes", where);
}

// Opened when first needed, far from the descriptors that a server closes behind fork().
static void note(const char* line, size_t size) {
  if (notes < 0 || fcntl(notes, F_GETFD) < 0) {
    const int fd = real_open(notes_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    notes = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 1000);
    if (fd >= 0) close(fd);
  }
  REAL(ssize_t, write, int, const void*, size_t)
  if (notes < 0 || real(notes, line, size) != (ssize_t)size) stop("power.so: cannot write its notes\n");
}

// The path of a descriptor below the root, or 0.
static int path_of(int fd, char* path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, size - 1);
  if (n <= 0) return 0;
  path[n] = 0;
  const size_t length = strlen(root);
  return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int below_root(int directory, const char* name, char* path, size_t size) {
  char base[4096] = "";
  if (name[0] != '/') {
    if (directory == AT_FDCWD ? getcwd(base, sizeof base) == NULL : !path_of(directory, base, sizeof base)) return 0;
  }
  const int n = snprintf(path, size, name[0] == '/' ? "%s%s" : "%s/%s", base, name);
  if (n < 0 || (size_t)n >= size) return 0;
  const size_t length = strlen(root);
  return strncmp(path, root, length) == 0 && path[length] == '/';
}

static _Atomic unsigned long long* slot_of(unsigned long long inode) {
  for (unsigned i = 0; i < 4096; ++i) {
    _Atomic unsigned long long* slot = &synced_inodes[(inode + i) % 4096];
    const unsigned long long there = atomic_load(slot);
    if (there == inode || there == 0) return slot;
  }
  stop("power.so: too many files\n");
  return NULL;
}

static void note_file(int fd, const struct stat* before) {
  char path[4096], line[8192];
  if (!path_of(fd, path, sizeof path)) return;
  atomic_store(slot_of(before->st_ino), before->st_ino);
  note(line, (size_t)snprintf(line, sizeof line, "S %llu %lld %s\n", (unsigned long long)before->st_ino, (long long)before->st_size, path));
}

static char* listing(int fd) {
  char path[4096];
  if (!path_of(fd, path, sizeof path)) return NULL;
  char* text = NULL;
  size_t size = 0;
  FILE* out = open_memstream(&text, &size);
  DIR* all = opendir(path);
  fprintf(out, "D %s", path);
  for (struct dirent* each; all != NULL && (each = readdir(all)) != NULL;) {
    if (each->d_type == DT_REG) fprintf(out, "\t%llu %s", (unsigned long long)each->d_ino, each->d_name);
  }
  fprintf(out, "\n");
  if (all != NULL) closedir(all);
  fclose(out);
  return text;
}

static int synced(int (*sync)(int), int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return sync(fd);
  char* names = S_ISDIR(info.st_mode) ? listing(fd) : NULL;
  const int result = sync(fd);
  if (result == 0 && S_ISREG(info.st_mode)) note_file(fd, &info);
  if (result == 0 && names != NULL) note(names, strlen(names));
  free(names);
  return result;
}

int fsync(int fd) {
  REAL(int, fsync, int)
  return synced(real, fd);
}

int fdatasync(int fd) {
  REAL(int, fdatasync, int)
  return synced(real, fd);
}

// --- names

static void keep(const char* path) {
  struct stat info;
  char second[4300];
  if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode)) return;
  snprintf(second, sizeof second, "%s/%llu", kept, (unsigned long long)info.st_ino);
  if (link(path, second) != 0 && errno != EEXIST) stop("power.so: cannot keep what is unlinked\n");
}

static void keep_at(int directory, const char* name) {
  char path[4096];
  const int error = errno;
  if (below_root(directory, name, path, sizeof path)) keep(path);
  errno = error;
}

int unlink(const char* path) {
  REAL(int, unlink, const char*)
  keep_at(AT_FDCWD, path);
  return real(path);
}

int unlinkat(int directory, const char* path, int flags) {
  REAL(int, unlinkat, int, const char*, int)
  keep_at(directory, path);
  return real(directory, path, flags);
}

int rename(const char* from, const char* to) {
  REAL(int, rename, const char*, const char*)
  keep_at(AT_FDCWD, to);
  return real(from, to);
}

// --- content

static void note_cut(unsigned long long inode, long long size) {
  char line[64];
  note(line, (size_t)snprintf(line, sizeof line, "T %llu %lld\n", inode, size));
}

static void cut(int fd, long long size) {
  char path[4096];
  struct stat info;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && path_of(fd, path, sizeof path)) note_cut(info.st_ino, size);
}

static void cut_path(const char* name, long long size) {
  char path[4096];
  struct stat info;
  if (below_root(AT_FDCWD, name, path, sizeof path) && stat(path, &info) == 0 && S_ISREG(info.st_mode)) note_cut(info.st_ino, size);
}

#define CUTS(name, offset)                           \
  int name(int fd, offset size) {                    \
    REAL(int, name, int, offset)                     \
    const int result = real(fd, size);               \
    if (result == 0) cut(fd, size);                  \
    return result;                                   \
  }
#define CUTS_PATH(name, offset)                      \
  int name(const char* path, offset size) {          \
    REAL(int, name, const char*, offset)             \
    const int result = real(path, size);             \
    if (result == 0) cut_path(path, size);           \
    return result;                                   \
  }
CUTS(ftruncate, off_t)
CUTS(ftruncate64, off64_t)
CUTS_PATH(truncate, off_t)
CUTS_PATH(truncate64, off64_t)

#define OPENS(name)                                                     \
  int name(const char* path, int flags, ...) {                          \
    REAL(int, name, const char*, int, ...)                              \
    va_list rest;                                                       \
    va_start(rest, flags);                                              \
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                       \
    const int fd = real(path, flags, mode);                             \
    if (fd >= 0 && fd < FDS) atomic_store(&kinds[fd], kUnknown);        \
    if (fd >= 0 && (flags & O_TRUNC) != 0) cut(fd, 0);                  \
    return fd;                                                          \
  }
OPENS(open)
OPENS(open64)

static FILE* opened(FILE* file, const char* mode) {
  if (file != NULL && mode[0] == 'w') cut(fileno(file), 0);
  return file;
}
FILE* fopen(const char* path, const char* mode) {
  REAL(FILE*, fopen, const char*, const char*)
  return opened(real(path, mode), mode);
}
FILE* fopen64(const char* path, const char* mode) {
  REAL(FILE*, fopen64, const char*, const char*)
  return opened(real(path, mode), mode);
}

int close(int fd) {
  REAL(int, close, int)
  if (fd >= 0 && fd < FDS) atomic_store(&kinds[fd], kUnknown);
  return real(fd);
}

static int kind_of(int fd) {
  if (fd < 0 || fd >= FDS) return kOther;
  int kind = atomic_load(&kinds[fd]);
  if (kind != kUnknown) return kind;
  struct stat info;
  char path[4096];
  kind = kOther;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && path_of(fd, path, sizeof path)) {
    kind = (fcntl(fd, F_GETFL) & O_APPEND) != 0 ? kAppends : kSeeks;
  }
  atomic_store(&kinds[fd], (unsigned char)kind);
  return kind;
}

static void check_write(int fd, long long at) {
  const int error = errno;
  struct stat info;
  if (kind_of(fd) == kSeeks && fstat(fd, &info) == 0) {
    if (at < 0) at = lseek(fd, 0, SEEK_CUR);
    if (at < info.st_size && atomic_load(slot_of(info.st_ino)) == info.st_ino) {
      stop("power.so: a write below the end of a file that was synced: not modelled\n");
    }
  }
  errno = error;
}

ssize_t write(int fd, const void* bytes, size_t size) {
  REAL(ssize_t, write, int, const void*, size_t)
  check_write(fd, -1);
  return real(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec* pieces, int count) {
  REAL(ssize_t, writev, int, const struct iovec*, int)
  check_write(fd, -1);
  return real(fd, pieces, count);
}

#define WRITES_AT(name, offset)                                    \
  ssize_t name(int fd, const void* bytes, size_t size, offset at) { \
    REAL(ssize_t, name, int, const void*, size_t, offset)          \
    check_write(fd, at);                                           \
    return real(fd, bytes, size, at);                              \
  }
WRITES_AT(pwrite, off_t)
WRITES_AT(pwrite64, off64_t)
