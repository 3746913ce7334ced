/* SPDX-License-Identifier: Apache-2.0 */
/* The miss-ratio curve as a picture. plot_mrc.py draws it with matplotlib; replay starts it and
 * sends it the results. */
#ifndef REPLAY_PICTURE_H
#define REPLAY_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Run plot_mrc.py on JSON text; the file name's ending (.svg, .png) chooses the kind of picture.
 * False when it failed, with a message in error; the script's own messages go to the standard
 * error. */
bool picture_draw(const char *json, size_t json_size, const char *path, char *error,
                  size_t error_cap);

#endif
