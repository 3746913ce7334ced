/* SPDX-License-Identifier: Apache-2.0 */
#include "pressure/groups.h"

#include "platform/mem.h"

#include <errno.h>
#include <string.h>

/* A line for each hierarchy; a line for each mount, of which a busy host has thousands. */
#define CGROUP_MOST ((size_t)16 << 10)
#define MOUNTINFO_MOST ((size_t)4 << 20)

/* A piece of a line. */
struct piece {
    const char *text;
    size_t size;
};

/* ---- Pieces ---- */

/* The next piece of `rest` up to `end`, which is skipped. False when nothing is left. */
static bool take(struct piece *rest, char end, struct piece *out)
{
    if (rest->size == 0)
        return false;
    const char *const found = memchr(rest->text, end, rest->size);
    const size_t size = found != NULL ? (size_t)(found - rest->text) : rest->size;
    const size_t skipped = size + (found != NULL);

    *out = (struct piece){rest->text, size};
    rest->text += skipped;
    rest->size -= skipped;
    return true;
}

static bool is(struct piece piece, const char *word)
{
    return piece.size == strlen(word) && memcmp(piece.text, word, piece.size) == 0;
}

/* Whether a list with commas has the word. */
static bool lists(struct piece list, const char *word)
{
    struct piece item;

    while (take(&list, ',', &item)) {
        if (is(item, word))
            return true;
    }
    return false;
}

/* ---- /proc/self/cgroup ---- */

/* The path of the group that counts. False when there is none. */
static bool find_path(const struct ms_file_text *file, enum ms_groups_version *version,
                      struct piece *path)
{
    struct piece text = {file->data, file->size}, line, number, controllers;
    bool found = false;

    while (take(&text, '\n', &line)) {
        if (!take(&line, ':', &number) || !take(&line, ':', &controllers) || line.size == 0 ||
            line.text[0] != '/')
            continue;
        if (lists(controllers, "memory")) {
            *version = MS_GROUPS_V1;
            *path = line;
            return true;
        }
        if (is(number, "0") && controllers.size == 0) {
            *version = MS_GROUPS_V2;
            *path = line;
            found = true;
        }
    }
    return found;
}

/* ---- /proc/self/mountinfo ---- */

struct mount {
    struct piece root, point;
};

/* Whether a line is of a mount of the hierarchy:
 *     number parent device root point options [tags ...] - type source options */
static bool is_mount(struct piece line, enum ms_groups_version version, struct mount *out)
{
    struct piece field, options;

    for (int i = 0; i < 6; i++) {
        if (!take(&line, ' ', &field))
            return false;
        if (i == 3)
            out->root = field;
        if (i == 4)
            out->point = field;
    }
    do {
        if (!take(&line, ' ', &field))
            return false;
    } while (!is(field, "-"));
    struct piece type;
    if (!take(&line, ' ', &type) || !take(&line, ' ', &field) || !take(&line, ' ', &options))
        return false;
    return version == MS_GROUPS_V2 ? is(type, "cgroup2")
                                   : is(type, "cgroup") && lists(options, "memory");
}

/* Whether it lies outside of what this process may see of the hierarchy. */
static bool leads_out(struct piece path)
{
    return path.size >= 3 && memcmp(path.text, "/..", 3) == 0 &&
           (path.size == 3 || path.text[3] == '/');
}

/* Whether the group is in what is mounted; `*below` is its path from there on, "" or "/...". */
static bool is_below(struct piece path, struct piece root, struct piece *below)
{
    const size_t skipped = is(root, "/") ? 0 : root.size;

    if (leads_out(path) || path.size < skipped || memcmp(path.text, root.text, skipped) != 0 ||
        (path.size > skipped && path.text[skipped] != '/'))
        return false;
    *below = (struct piece){path.text + skipped, path.size - skipped};
    if (is(*below, "/"))
        below->size = 0;
    return true;
}

/* The mount that shows the group. Where none does, as in a container that sees its own group mounted
 * but names it as the host does, the first one with its topmost group. */
static bool find_mount(const struct ms_file_text *file, enum ms_groups_version version,
                       struct piece path, struct mount *out, struct piece *below)
{
    struct piece text = {file->data, file->size}, line;
    struct mount mount = {.root = {"", 0}};
    bool found = false;

    while (take(&text, '\n', &line)) {
        if (!is_mount(line, version, &mount))
            continue;
        if (is_below(path, mount.root, below)) {
            *out = mount;
            return true;
        }
        if (!found)
            *out = mount;
        found = true;
    }
    *below = (struct piece){"", 0};
    return found;
}

/* ---- The folder ---- */

static bool is_octal(const char *digits)
{
    for (int i = 0; i < 3; i++) {
        if (digits[i] < '0' || digits[i] > '7')
            return false;
    }
    return true;
}

/* Copy a path of mountinfo, in which blanks and the like are written as a backslash and three octal
 * digits. Returns its bytes. */
static size_t copy_unescaped(char *to, struct piece from)
{
    size_t size = 0;

    for (size_t i = 0; i < from.size; i++) {
        const char *const at = from.text + i;

        if (*at == '\\' && from.size - i > 3 && is_octal(at + 1)) {
            to[size++] = (char)(((at[1] - '0') << 6) | ((at[2] - '0') << 3) | (at[3] - '0'));
            i += 3;
        } else {
            to[size++] = *at;
        }
    }
    return size;
}

static int set_folder(struct ms_groups *groups, const struct mount *mount, struct piece below)
{
    groups->folder = ms_mem_alloc(mount->point.size + below.size + 1);
    if (groups->folder == NULL)
        return ENOMEM;
    groups->root = copy_unescaped(groups->folder, mount->point);
    memcpy(groups->folder + groups->root, below.text, below.size);
    groups->size = groups->root + below.size;
    return 0;
}

static int find_folder(struct ms_groups *groups)
{
    struct ms_file_text mounts;
    struct piece path, below;
    struct mount mount;

    if (!find_path(&groups->told, &groups->version, &path))
        return ENOENT;
    int error = ms_file_read_system("/proc/self/mountinfo", MOUNTINFO_MOST, &mounts);
    if (error != 0)
        return error;
    error = find_mount(&mounts, groups->version, path, &mount, &below)
                ? set_folder(groups, &mount, below)
                : ENOENT;
    ms_mem_free(mounts.data);
    return error;
}

/* ---- For others ---- */

void ms_groups_forget(struct ms_groups *groups)
{
    ms_mem_free(groups->folder);
    ms_mem_free(groups->told.data);
    *groups = (struct ms_groups){.folder = NULL};
}

int ms_groups_find(struct ms_groups *groups)
{
    struct ms_file_text told;
    int error = ms_file_read_system("/proc/self/cgroup", CGROUP_MOST, &told);

    if (error != 0)
        return error;
    if (groups->folder != NULL && told.size == groups->told.size &&
        memcmp(told.data, groups->told.data, told.size) == 0) {
        ms_mem_free(told.data);
        return 0;
    }
    ms_groups_forget(groups);
    groups->told = told;
    error = find_folder(groups);
    if (error != 0)
        ms_groups_forget(groups);
    return error;
}

size_t ms_groups_above(const struct ms_groups *groups, size_t size)
{
    if (size <= groups->root)
        return 0;
    while (groups->folder[size - 1] != '/')
        size--;
    size--;
    return size > groups->root ? size : groups->root;
}
