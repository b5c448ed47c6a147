/*
 * Putting one path of a worktree into a new state without ever losing what a person saves at the
 * same moment. The new file is made aside and exchanged with the old one in one step
 * (renameat2); then the old one is looked at: if it is not what the sync had read, the person was
 * faster, and their text is merged into the new one, or kept under another name. Internal to
 * src/sync.
 */
#ifndef SYNC_PUT_H
#define SYNC_PUT_H

#include "sync/work.h"

struct put {
    struct work *w;
    int tmp;         /* .git/steadystate/tmp */
    size_t change;   /* number of the change in the journal: files in tmp are "<change>.<n>" */
    size_t next;     /* n of the next one */
    int kept;        /* <home>/.worktree/kept/<time>, made when needed; or -1 */
    char *kept_name; /* relative to the home */
    struct sync_files *kept_files;
    struct err *err;
};

int put_open(struct work *w, struct sync_files *kept, struct put *out, struct err *err);
void put_close(struct put *p);
#define cleanup_put cleanup(put_close)

/* One change, number n of the journal, from what the worktree had when it was read (old_*, `was`:
 * its index entry or NULL) to new_*. converted: git made the new file already, as tmp/<n>.0. *st:
 * of the file in place. *changed: the person's own state is there, or was merged in: git has to
 * look at the file again. */
int put_change(struct put *p, size_t n, const struct tree_change *c, const struct index_entry *was,
               bool converted, struct stat *st, bool *changed);

/* After a kill: tmp/name was made for change n. What a person saved comes back. */
int put_leftover(struct put *p, size_t n, const struct tree_change *c, const char *name,
                 bool converted);

#endif
