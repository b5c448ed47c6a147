/* Text that strangers chose (logins, files) made fit for a terminal, and measured. Pure but for the
 * width of characters, which the C library's LC_CTYPE tables say. */
#ifndef WATCH_TEXT_H
#define WATCH_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Appends text without anything that could move the cursor or turn what follows: control
 * characters, invalid UTF-8, marks of direction and invisible ones become '?'. */
void text_add_clean(struct str *out, const char *text, size_t n);
/* The same, allocated. */
char *text_clean(const char *text);
/* Without characters beyond ASCII, for a terminal that has none. */
void text_to_ascii(struct str *s);

/* Columns of clean text. */
size_t text_columns(const char *text);
/* Appends at most `columns` columns of clean text; what does not fit is cut at the end (or, with
 * from_end set, at the beginning: the end of a path says more) and marked. Returns the columns. */
size_t text_add_cut(struct str *out, const char *text, size_t columns, int from_end, int utf8);

/* "now", "5 min", "3 h", "2 d": how long ago. */
void text_add_ago(struct str *out, int64_t at, int64_t now);
/* "11 h 58 min": how long from now on. */
void text_add_span(struct str *out, int64_t seconds);

#endif
