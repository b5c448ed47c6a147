/* What a stranger's process tells about its worktree, and git's answers that it is made from. */
#include "watch/unsynced.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const char *text = (const char *)data;
    cleanup_unsynced struct unsynced from_git = UNSYNCED_INIT;
    cleanup_json struct json_object *in = NULL;
    (void)unsynced_take_diff(&from_git, text, size, NULL);
    if (from_git.len > UNSYNCED_FILES_MAX)
        __builtin_trap();
    if (json_parse(text, size, &in, NULL) < 0)
        return 0;
    cleanup_unsynced struct unsynced u;
    if (unsynced_from_json(in, &u, NULL) < 0)
        return 0;
    cleanup_json struct json_object *out = json_object_new_object();
    cleanup_unsynced struct unsynced again;
    unsynced_to_json(&u, out);
    if (unsynced_from_json(out, &again, NULL) < 0 || again.len != u.len)
        __builtin_trap();
    return 0;
}
