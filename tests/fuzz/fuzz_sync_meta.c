/* Sync metadata, the refresh journal, and answers of git blame and git diff. */
#include "git/raw_diff.h"
#include "sync/blame.h"
#include "sync/journal.h"
#include "sync/meta.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const char *text = (const char *)data;
    cleanup_meta struct meta meta = {0};
    cleanup_tree_changes struct tree_changes changes = TREE_CHANGES_INIT;
    cleanup_str struct str out = STR_INIT;
    struct blame_line line;
    if (meta_parse(text, size, &meta, NULL) == 0)
        meta_format(&meta, &out);
    str_clear(&out);
    if (journal_parse(text, size, &changes, NULL) == 0) {
        journal_format(&changes, &out);
        cleanup_tree_changes struct tree_changes again = TREE_CHANGES_INIT;
        if (journal_parse(out.p, out.len, &again, NULL) < 0 || again.len != changes.len)
            __builtin_trap();
    }
    cleanup_raw_diff struct raw_diff diff = {0};
    if (raw_diff_parse(text, size, &diff, NULL) == 0)
        for (size_t i = 0; i < diff.len; i++)
            if (!diff.v[i].path || !diff.v[i].path[0])
                __builtin_trap();
    while (blame_next(&text, &size, &line, NULL) == 0)
        continue;
    return 0;
}
