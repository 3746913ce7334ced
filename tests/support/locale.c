/* SPDX-License-Identifier: Apache-2.0 */
#include "locale.h"

#include "folder.h"

#include <locale.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* LC_NUMERIC of a locale as glibc keeps it: where each item begins, and the items. */
struct numeric {
    uint32_t magic, count, at[6];
    char point[2], thousands[1], grouping[1];
    uint32_t wide_point, wide_thousands;
    char codeset[6];
};

#define AT(item) offsetof(struct numeric, item)

bool test_locale_comma(void)
{
    const struct numeric numeric = {
        .magic = 0x20031114,
        .count = 6,
        .at = {AT(point), AT(thousands), AT(grouping), AT(wide_point), AT(wide_thousands),
               AT(codeset)},
        .point = ",",
        .wide_point = ',',
        .codeset = "UTF-8",
    };
    char folder[300], file[320], text[8];

    snprintf(folder, sizeof folder, "%s/comma", test_folder());
    snprintf(file, sizeof file, "%s/LC_NUMERIC", folder);
    mkdir(folder, 0700);
    test_file_write(file, &numeric, sizeof numeric);
    setenv("LOCPATH", test_folder(), 1);
    const bool is_set = setlocale(LC_NUMERIC, "comma") != NULL;
    unlink(file);
    rmdir(folder);
    test_folder_remove();
    snprintf(text, sizeof text, "%.1f", 1.5);
    return is_set && strcmp(text, "1,5") == 0;
}
