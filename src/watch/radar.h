/* Which of one's own unsynced lines are those of others too: two persons' changes compared, also
 * when they are relative to different commits. */
#ifndef WATCH_RADAR_H
#define WATCH_RADAR_H

#include "git/repo.h"
#include "watch/unsynced.h"

#define RADAR_FILE_MAX ((size_t)1 << 20) /* longer files are not followed between commits */

/* Called for each file with common places: lines of one's own file, none for the whole file. */
typedef void (*radar_fn)(const char *path, const struct line_ranges *lines, void *payload);

/* repo (may be NULL: then both must have one base) knows both base commits. */
void radar_compare(struct repo *repo, const struct unsynced *own, const struct unsynced *other,
                   radar_fn fn, void *payload);

#endif
