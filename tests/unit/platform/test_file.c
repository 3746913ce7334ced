/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(file, an_error_number_is_told_in_words)
{
    char room[128];

    cr_assert_str_eq(ms_file_error(ENOENT, room, sizeof room), "No such file or directory");
    cr_assert_neq(strlen(ms_file_error(123456, room, sizeof room)), 0);
}
