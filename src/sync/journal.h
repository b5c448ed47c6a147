/* The changes of a refresh, written before the first of them is made, so that a sync after a kill
 * knows whose the files in .git/steadystate/tmp are. Parsing is pure. */
#ifndef SYNC_JOURNAL_H
#define SYNC_JOURNAL_H

#include "base/str.h"
#include "git/repo.h"

#define JOURNAL_MAX ((size_t)256 << 20)

/* "<old mode> <new mode> <old id> <new id> <path>\0" each, modes octal. */
void journal_format(const struct tree_changes *changes, struct str *out);
int journal_parse(const char *text, size_t len, struct tree_changes *out, struct err *err);

/* "12.3": change 12, file 3. */
bool journal_tmp_name(const char *name, size_t *change);

#endif
