/* SPDX-License-Identifier: Apache-2.0 */
/* Files: small ones read whole, large ones read by pieces, and files that replace another once they
 * are whole. Functions return 0 or the system's error number. */
#ifndef MS_PLATFORM_FILE_H
#define MS_PLATFORM_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ms_file_text {
    char *data; /* for ms_mem_free(); NULL on failure */
    size_t size;
    bool cut; /* there is more than was asked for */
};

/* Read a file, or the first `most` bytes of it. */
int ms_file_read(const char *path, size_t most, struct ms_file_text *out);

/* Read one of the system's own files (/proc, /sys), or its beginning; what was read ends in a NUL that
 * does not count. Tests put other files in their place. */
int ms_file_read_system(const char *path, size_t most, struct ms_file_text *out);

/* What an error number means, in words: `room`, or a constant. */
const char *ms_file_error(int error, char *room, size_t size);

/* ---- Reading by pieces ---- */

struct ms_file_in {
    int descriptor;
    uint64_t size; /* when it was opened */
};

/* Open a regular file; EISDIR when it is a directory, EINVAL when it is something else. */
int ms_file_open(struct ms_file_in *in, const char *path);
/* Read what there is at an offset, at most `size` bytes. */
int ms_file_read_at(const struct ms_file_in *in, uint64_t offset, void *data, size_t size,
                    size_t *got);
void ms_file_close(struct ms_file_in *in);

/* ---- Replacing a file ----
 *
 * What is written goes to `path`.tmp, which takes the place of `path` in one step when it is whole.
 * Until then, whatever happens, `path` is what it was. The other file is locked, so that two who
 * write the same file do not mix; one that was left behind by a process that was killed is used
 * again, unless it is another user's, has another name or is open to more people than it should be: then
 * it is removed. In a child of fork() the file is the parent's: what writes or commits gives EWOULDBLOCK
 * there, and the ends free what the child has of it alone. */

struct ms_file_out {
    char *path;
    char *temporary;
    int descriptor;
    pid_t owner;    /* a child of fork() has a copy of all this, but for the descriptor */
    bool is_placed; /* it has the place of `path` */
};

/* Begin, with these permissions. EWOULDBLOCK when somebody else is writing that file, EISDIR or EINVAL
 * when it is a directory, a device, a pipe or a socket. */
int ms_file_create(struct ms_file_out *out, const char *path, unsigned mode);
/* Write at the end. */
int ms_file_append(struct ms_file_out *out, const void *data, size_t size);
/* Write at an offset that was written before. */
int ms_file_rewrite(struct ms_file_out *out, uint64_t offset, const void *data, size_t size);
/* Put the file into its place; `sync`: not before the disk has it, and until the disk has that as
 * well. On failure nothing has changed, unless it is the last of these steps that failed. Ends the
 * writing in any case. */
int ms_file_commit(struct ms_file_out *out, bool sync);
/* End the writing and remove what was written. */
void ms_file_abandon(struct ms_file_out *out);

/* In a child of fork(), right after it: have nothing of the files that the parent is writing, neither their locks, which
 * would stay when the parent is killed, nor their room on the disk. */
void ms_file_close_parents(void);

/* All of it for a file that is small, without waiting for the disk. */
int ms_file_replace(const char *path, unsigned mode, const void *data, size_t size);

#endif
