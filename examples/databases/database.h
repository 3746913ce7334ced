/* SPDX-License-Identifier: Apache-2.0 */
/* What the story of story.c needs of a database: rows by key, and to be cut off. */
#ifndef EXAMPLE_DATABASE_H
#define EXAMPLE_DATABASE_H

#include <stdbool.h>
#include <stddef.h>

#define ROW_SIZE 128

enum found { FOUND, NOT_THERE, UNREACHABLE };

/* Each function may be called by any thread. */
struct database {
    const char *name;
    /* Make a new one with the rows row/0 to row/<count - 1>. */
    bool (*create)(int count);
    enum found (*find)(const char *key, size_t key_size, char row[ROW_SIZE]);
    /* Take its file away, or put it back. */
    void (*cut)(void);
    void (*mend)(void);
    void (*destroy)(void);
};

/* Tell the story; returns what main() does. */
int tell(const struct database *database);

#endif
