/*
 * The places where this person's syncs overlapped with others' and that nobody has looked at yet:
 * .worktree/overlaps.json, with both sides' text, so that one of them can be chosen later.
 */
#ifndef SYNC_OVERLAPS_H
#define SYNC_OVERLAPS_H

#include "base/json.h"
#include "git/repo.h"
#include "sync/sync.h"

#define OVERLAPS_MAX 1000 /* kept; older ones are forgotten first */
#define OVERLAPS_FILE_MAX ((size_t)64 << 20)

/* Remembers what a sync reported. tree: of its commit, in repo. others: the report's local side is
 * the work of others and canonical the person's. */
int overlaps_remember(int dot, struct repo *repo, const struct oid *commit, const struct oid *tree,
                      const struct merge_report *report, bool others, struct err *err);

/* Forgets what was remembered for a commit that is taken back. */
int overlaps_forget(const struct sync_place *place, const struct oid *commit, struct err *err);

/* [{file, other_file?, kind, text, commit, line, lines, by}] without the sides' texts. */
int overlaps_list(const struct sync_place *place, struct json_object **out, struct err *err);

enum overlaps_choice { OVERLAPS_MINE, OVERLAPS_THEIRS, OVERLAPS_BOTH };

/* Settles every remembered overlap of a file in the worktree; the next sync shares it. BOTH leaves
 * the file as it is. A directory that is not chosen goes to .worktree/kept, since it may hold what
 * was never synced. ERR_NOT_FOUND: none is remembered. ERR_CONFLICT: the place has been edited or
 * the file moved since; the file is left alone. */
int overlaps_resolve(const struct sync_place *place, const char *file, enum overlaps_choice choice,
                     size_t *resolved, struct err *err);

#endif
