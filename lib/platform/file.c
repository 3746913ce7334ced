/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/file.h"

#include "platform/atomic.h"
#include "platform/mem.h"
#include "platform/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

const char *ms_file_error(int error, char *room, size_t size)
{
#ifdef __GLIBC__
    return strerror_r(error, room, size);
#else
    return strerror_r(error, room, size) == 0 ? room : "an error without a name";
#endif
}

/* What a signal interrupts is done again: open() may wait for a file of another machine. */
static int open_file(const char *path, int flags, unsigned mode)
{
    int descriptor;

    do
        descriptor = open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

/* Read until the end or until the buffer is full. 0 or an error number. */
static int read_all(int descriptor, char *data, size_t cap, size_t *size)
{
    *size = 0;
    while (*size < cap) {
        const ssize_t got = read(descriptor, data + *size, cap - *size);

        if (got == 0)
            break;
        if (got > 0)
            *size += (size_t)got;
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

int ms_file_read(const char *path, size_t most, struct ms_file_text *out)
{
    *out = (struct ms_file_text){0};

    /* A pipe may be waited for, until a signal. */
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0)
        return errno;

    /* One byte more than wanted tells whether there is more. */
    char *const data = ms_mem_alloc(most + 1);
    size_t size = 0;
    const int error = data != NULL ? read_all(descriptor, data, most + 1, &size) : ENOMEM;

    close(descriptor);
    if (error != 0) {
        ms_mem_free(data);
        return error;
    }
    *out = (struct ms_file_text){data, size > most ? most : size, size > most};
    return 0;
}

int ms_file_read_system(const char *path, size_t most, struct ms_file_text *out)
{
    char whole[PATH_MAX];
    const int size = snprintf(whole, sizeof whole, "%s%s", ms_testing_system_root(), path);

    *out = (struct ms_file_text){0};
    if (size < 0 || (size_t)size >= sizeof whole)
        return ENAMETOOLONG;
    const int error = ms_file_read(whole, most, out);
    if (error == 0)
        out->data[out->size] = '\0';
    return error;
}

/* Whether it is a file, and what to say if not. */
static int check_kind(mode_t mode)
{
    if (S_ISREG(mode))
        return 0;
    return S_ISDIR(mode) ? EISDIR : EINVAL;
}

/* ---- Reading by pieces ---- */

int ms_file_open(struct ms_file_in *in, const char *path)
{
    struct stat status;

    /* A pipe that nobody writes to would be waited for. */
    in->descriptor = open_file(path, O_RDONLY | O_NONBLOCK, 0);
    if (in->descriptor < 0)
        return errno;
    int error = fstat(in->descriptor, &status) == 0 ? 0 : errno;
    if (error == 0)
        error = check_kind(status.st_mode);
    if (error != 0)
        close(in->descriptor);
    else
        in->size = (uint64_t)status.st_size;
    return error;
}

int ms_file_read_at(const struct ms_file_in *in, uint64_t offset, void *data, size_t size,
                    size_t *got)
{
    *got = 0;
    while (*got < size) {
        const ssize_t more =
            pread(in->descriptor, (char *)data + *got, size - *got, (off_t)(offset + *got));

        if (more == 0)
            break;
        if (more > 0)
            *got += (size_t)more;
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

void ms_file_close(struct ms_file_in *in)
{
    close(in->descriptor);
}

/* ---- Replacing a file ---- */

#define SUFFIX ".tmp"

/* Others may put this file into its place, or remove it, between our opening it and locking it. */
#define LOCK_TRIES 16

static bool is_still(int descriptor, const char *path)
{
    struct stat ours, theirs;

    return fstat(descriptor, &ours) == 0 && lstat(path, &theirs) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* Whether what was left behind or laid there may be written to: it is nobody else's, has no other name, and is open to
 * no more people than what is to be written. Who has it open would read that. */
static bool is_fit(const struct stat *status, unsigned mode)
{
    return status->st_uid == geteuid() && status->st_nlink == 1 &&
           (status->st_mode & 07777 & ~mode) == 0;
}

/* 0 or an error number. */
static int empty(int descriptor)
{
    int error;

    do
        error = ftruncate(descriptor, 0) == 0 ? 0 : errno;
    while (error == EINTR);
    return error;
}

/* Empty what lay at `path`, and is locked: 0, EAGAIN when it was removed instead, or an error number. */
static int take_over(int descriptor, const char *path, unsigned mode)
{
    struct stat status;

    if (fstat(descriptor, &status) != 0)
        return errno;
    const int error = check_kind(status.st_mode);
    if (error != 0)
        return error;
    if (is_fit(&status, mode))
        return empty(descriptor);
    return unlink(path) == 0 ? EAGAIN : errno;
}

/* Make a file, or open the one that is there: 0, EAGAIN when that is gone again, or an error number. */
static int make_or_open(const char *path, unsigned mode, int *descriptor, bool *is_new)
{
    *descriptor = open_file(path, O_RDWR | O_CREAT | O_EXCL, mode);
    *is_new = *descriptor >= 0;
    if (*is_new)
        return 0;
    if (errno != EEXIST)
        return errno;
    *descriptor = open_file(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (*descriptor >= 0)
        return 0;
    return errno == ENOENT ? EAGAIN : errno;
}

/* The same as a step of writing. */
static int open_to_write(const char *path, unsigned mode, int *descriptor, bool *is_new)
{
    int error;

    do {
        error = ms_testing_file_step(NULL);
        if (error == 0)
            error = make_or_open(path, mode, descriptor, is_new);
    } while (error == EINTR);
    return error;
}

/* 0 or an error number. */
static int lock_file(int descriptor)
{
    int error;

    do {
        error = ms_testing_file_step(NULL);
        if (error == 0 && flock(descriptor, LOCK_EX | LOCK_NB) != 0)
            error = errno;
    } while (error == EINTR);
    return error;
}

/* The descriptors that are being written to, and 1 more; 0 = none. What goes beyond so many at once is left to the
 * children that it is copied to. */
#define WRITING_MOST 32
static atomic_int writing[WRITING_MOST];

static void note_writing(int descriptor)
{
    for (size_t i = 0; i < WRITING_MOST; i++) {
        int none = 0;

        if (ms_cas_relaxed(&writing[i], &none, descriptor + 1))
            return;
    }
}

static void forget_writing(int descriptor)
{
    for (size_t i = 0; i < WRITING_MOST; i++) {
        if (ms_load_relaxed(&writing[i]) == descriptor + 1)
            ms_store_relaxed(&writing[i], 0);
    }
}

void ms_file_close_parents(void)
{
    for (size_t i = 0; i < WRITING_MOST; i++) {
        const int noted = ms_load_relaxed(&writing[i]);

        ms_store_relaxed(&writing[i], 0);
        if (noted != 0)
            close(noted - 1);
    }
}

/* A child of fork() may have the descriptor too, and with it the lock: giving that back is not left to the
 * closing. */
static void unlock_and_close(int descriptor)
{
    forget_writing(descriptor);
    flock(descriptor, LOCK_UN);
    close(descriptor);
}

/* Open and lock the file at `path`, empty: 0, EAGAIN when it is another one by then, or an error number. */
static int try_open_locked(const char *path, unsigned mode, int *descriptor)
{
    bool is_new = false;
    int error = open_to_write(path, mode, descriptor, &is_new);

    if (error != 0)
        return error;
    note_writing(*descriptor);
    error = lock_file(*descriptor);
    /* Nothing is left behind, but for what somebody else was faster to lock. */
    if (error != 0 && error != EWOULDBLOCK && is_new)
        unlink(path);
    if (error == 0 && !is_still(*descriptor, path))
        error = EAGAIN;
    if (error == 0 && !is_new)
        error = take_over(*descriptor, path, mode);
    if (error != 0)
        unlock_and_close(*descriptor);
    return error;
}

/* The same, however often others come between. */
static int open_locked(const char *path, unsigned mode, int *descriptor)
{
    int error = EAGAIN;

    for (int i = 0; i < LOCK_TRIES && error == EAGAIN; i++)
        error = try_open_locked(path, mode, descriptor);
    return error == EAGAIN ? EWOULDBLOCK : error;
}

static void free_names(struct ms_file_out *out)
{
    ms_mem_free(out->path);
    ms_mem_free(out->temporary);
}

/* Whether this process began it, and not one that it was forked off. */
static bool is_ours(const struct ms_file_out *out)
{
    return out->owner == getpid();
}

/* In a child the lock is not to be given back, and the descriptor is closed, perhaps another file's by now. */
static void close_locked(struct ms_file_out *out)
{
    if (is_ours(out))
        unlock_and_close(out->descriptor);
    free_names(out);
}

/* A device, a pipe or a directory is not replaced by a file: who names /dev/null means to write to it.
 * A link is, whatever it leads to. */
static int check_replaceable(const char *path)
{
    struct stat status;

    if (lstat(path, &status) != 0 || S_ISLNK(status.st_mode))
        return 0;
    return check_kind(status.st_mode);
}

int ms_file_create(struct ms_file_out *out, const char *path, unsigned mode)
{
    const size_t size = strlen(path);
    int error = check_replaceable(path);

    if (error != 0)
        return error;
    error = ENOMEM;
    *out = (struct ms_file_out){.path = ms_mem_alloc(size + 1),
                                .temporary = ms_mem_alloc(size + sizeof SUFFIX),
                                .owner = getpid()};
    if (out->path != NULL && out->temporary != NULL) {
        memcpy(out->path, path, size);
        memcpy(out->temporary, path, size);
        memcpy(out->temporary + size, SUFFIX, sizeof SUFFIX);
        error = open_locked(out->temporary, mode, &out->descriptor);
    }
    if (error != 0)
        free_names(out);
    return error;
}

int ms_file_append(struct ms_file_out *out, const void *data, size_t size)
{
    size_t left = size;

    /* Parent and child have one offset. */
    if (!is_ours(out))
        return EWOULDBLOCK;
    while (left > 0) {
        size_t most = left;
        const int error = ms_testing_file_step(&most);
        const ssize_t wrote = write(out->descriptor, (const char *)data + size - left, most);

        ms_testing_file_wrote();
        if (error != 0)
            return error;
        if (wrote > 0)
            left -= (size_t)wrote;
        else if (wrote == 0)
            return EIO;
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

int ms_file_rewrite(struct ms_file_out *out, uint64_t offset, const void *data, size_t size)
{
    if (!is_ours(out))
        return EWOULDBLOCK;
    if (lseek(out->descriptor, (off_t)offset, SEEK_SET) < 0)
        return errno;
    return ms_file_append(out, data, size);
}

/* Let the disk have what was written. 0 or an error number. */
static int sync_file(int descriptor)
{
    int error;

    do {
        error = ms_testing_file_step(NULL);
        if (error == 0 && fsync(descriptor) != 0)
            error = errno;
    } while (error == EINTR);
    return error;
}

/* Open the directory of a file. 0 or an error number. */
static int open_directory_of(const char *path, int *descriptor)
{
    const char *const slash = strrchr(path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    char *directory = ms_mem_alloc(size + 2);

    if (directory == NULL)
        return ENOMEM;
    memcpy(directory, slash == NULL ? "." : path, slash == NULL ? 1 : size);
    *descriptor = open_file(directory, O_RDONLY | O_DIRECTORY, 0);
    const int error = *descriptor < 0 ? errno : 0;
    ms_mem_free(directory);
    return error;
}

/* Let the disk have the name that a file has got. */
static int sync_name(const struct ms_file_out *out)
{
    int descriptor;
    int error = open_directory_of(out->path, &descriptor);

    /* Who may write to a directory may not read it for that. File systems with a journal write a rename
     * with what else is new of the file. */
    if (error == EACCES || error == EPERM)
        return sync_file(out->descriptor);
    if (error != 0)
        return error;
    error = sync_file(descriptor);
    close(descriptor);
    /* Some file systems cannot, and need not. */
    return error == EINVAL ? 0 : error;
}

int ms_file_commit(struct ms_file_out *out, bool sync)
{
    int error = is_ours(out) ? 0 : EWOULDBLOCK;

    if (error == 0 && sync)
        error = sync_file(out->descriptor);
    if (error == 0)
        error = ms_testing_file_step(NULL);
    if (error == 0 && rename(out->temporary, out->path) != 0)
        error = errno;
    if (error != 0) {
        ms_file_abandon(out);
        return error;
    }
    out->is_placed = true;
    if (sync)
        error = sync_name(out);
    close_locked(out);
    return error;
}

void ms_file_abandon(struct ms_file_out *out)
{
    if (is_ours(out))
        unlink(out->temporary);
    close_locked(out);
}

int ms_file_replace(const char *path, unsigned mode, const void *data, size_t size)
{
    struct ms_file_out out;
    int error = ms_file_create(&out, path, mode);

    if (error != 0)
        return error;
    error = ms_file_append(&out, data, size);
    if (error == 0)
        return ms_file_commit(&out, false);
    ms_file_abandon(&out);
    return error;
}
