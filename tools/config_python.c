/* SPDX-License-Identifier: Apache-2.0 */
#include "config_python.h"

#include "config/schema.h"

#include <ctype.h>
#include <string.h>

static const char introduction[] =
    "# SPDX-License-Identifier: Apache-2.0\n"
    "# Generated from lib/config/schema.c by `./dev docs`; do not edit.\n"
    "\"\"\"The settings, as type checkers see them: by section, and as keywords.\"\"\"\n"
    "\n"
    "from __future__ import annotations\n"
    "\n"
    "import os\n"
    "from datetime import timedelta\n"
    "from typing import Literal, TypedDict, Union\n"
    "\n"
    "#: \"1h\", seconds, None for 0.\n"
    "Duration = Union[str, int, float, timedelta, None]\n"
    "#: \"64MB\", bytes, None for 0.\n"
    "Size = Union[str, int, float, None]\n"
    "Count = Union[str, int, None]\n"
    "#: From 0 to 1.\n"
    "Ratio = Union[str, float, None]\n"
    "Switch = Union[str, bool]\n"
    "Text = Union[str, \"os.PathLike[str]\", None]\n";

/* Where a path has its last part. */
static const char *name_of(const struct ms_setting *row)
{
    const char *const dot = strchr(row->path, '.');

    return dot != NULL ? dot + 1 : row->path;
}

/* How long the section of a path is, 0 for none. */
static int section_size(const struct ms_setting *row)
{
    return name_of(row) != row->path ? (int)(name_of(row) - row->path) - 1 : 0;
}

static bool same_section(const struct ms_setting *one, const struct ms_setting *other)
{
    return section_size(one) == section_size(other) &&
           strncmp(one->path, other->path, (size_t)section_size(one)) == 0;
}

/* The first row of a section that has a name. */
static bool begins_section(const struct ms_setting *row)
{
    return section_size(row) > 0 && (row == ms_schema || !same_section(row, row - 1));
}

/* Whether another setting ends like this one, so that neither is known without its section. */
static bool is_ambiguous(const struct ms_setting *row)
{
    for (const struct ms_setting *other = ms_schema; other->path != NULL; other++) {
        if (other != row && strcmp(name_of(other), name_of(row)) == 0)
            return true;
    }
    return false;
}

/* Store() has these as parameters of its own. */
static bool is_parameter(const struct ms_setting *row)
{
    return strcmp(name_of(row), "memory_limit") == 0 || strcmp(name_of(row), "default_ttl") == 0;
}

static void write_type(FILE *out, const struct ms_setting *row)
{
    static const char *const types[] = {
        [MS_SETTING_DURATION] = "Duration",  [MS_SETTING_SIZE] = "Size",
        [MS_SETTING_MEGABYTES] = "Count",    [MS_SETTING_INTEGER] = "Count",
        [MS_SETTING_POWER_OF_TWO] = "Count", [MS_SETTING_RATIO] = "Ratio",
        [MS_SETTING_BOOL] = "Switch",        [MS_SETTING_STRING] = "Text",
    };

    if (row->type != MS_SETTING_CHOICE) {
        fprintf(out, row->flag_is_none ? "Union[%s, bool]" : "%s", types[row->type]);
        return;
    }
    fputs("Literal[", out);
    for (const struct ms_setting_choice *choice = row->choices; choice->name != NULL; choice++)
        fprintf(out, "%s\"%s\"%s", choice == row->choices ? "" : ", ", choice->name,
                strcmp(choice->name, "on") == 0    ? ", True"
                : strcmp(choice->name, "off") == 0 ? ", False"
                                                   : "");
    fputs("]", out);
}

static void write_field(FILE *out, const struct ms_setting *row)
{
    fputs(": ", out);
    write_type(out, row);
    fputs("\n", out);
}

/* The name of a section's class: TtlSettings. */
static void write_class_name(FILE *out, const struct ms_setting *row)
{
    putc(toupper((unsigned char)row->path[0]), out);
    fprintf(out, "%.*sSettings", section_size(row) - 1, row->path + 1);
}

static void write_section(FILE *out, const struct ms_setting *first)
{
    fputs("\n\nclass ", out);
    write_class_name(out, first);
    fprintf(out, "(TypedDict, total=False):\n    \"\"\"The section ``%.*s``.\"\"\"\n\n",
            section_size(first), first->path);
    for (const struct ms_setting *row = first; row->path != NULL && same_section(row, first);
         row++) {
        fprintf(out, "    %s", name_of(row));
        write_field(out, row);
    }
}

/* A section, and below it what it has, as keywords name it. */
static void write_keywords(FILE *out)
{
    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++) {
        if (begins_section(row)) {
            fprintf(out, "    %.*s: ", section_size(row), row->path);
            write_class_name(out, row);
            fputs("\n", out);
        }
        if (section_size(row) > 0) {
            fprintf(out, "    %.*s__%s", section_size(row), row->path, name_of(row));
            write_field(out, row);
        }
        if (!is_parameter(row) && !is_ambiguous(row)) {
            fprintf(out, "    %s", name_of(row));
            write_field(out, row);
        }
    }
}

void config_write_python(FILE *out)
{
    fputs(introduction, out);
    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++) {
        if (begins_section(row))
            write_section(out, row);
    }
    fputs("\n\nclass StoreSettings(TypedDict, total=False):\n"
          "    \"\"\"The settings as keywords of ``Store``, beside ``memory_limit`` and "
          "``default_ttl``: "
          "as sections, with the\n"
          "    section before two underscores, and without it where that is enough.\"\"\"\n\n",
          out);
    write_keywords(out);
    fputs("\n\nclass AllSettings(StoreSettings, total=False):\n"
          "    \"\"\"Those two, too.\"\"\"\n\n",
          out);
    for (const struct ms_setting *row = ms_schema; row->path != NULL; row++) {
        if (is_parameter(row)) {
            fprintf(out, "    %s", name_of(row));
            write_field(out, row);
        }
    }
}
