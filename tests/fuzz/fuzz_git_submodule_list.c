/* A session's list of submodules, and what git says of them: a path that is used is a safe one. */
#include <string.h>

#include "git/safe_path.h"
#include "git/submodule_list.h"
#include "sync/submodules.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_strv struct strv paths = STRV_INIT;
    struct submodule_list list;
    submodules_parse_status((const char *)data, size, &paths);
    if (submodule_list_parse((const char *)data, size, &list, NULL) < 0)
        return 0;
    for (size_t i = 0; i < list.len; i++) {
        const struct submodule *s = &list.v[i];
        if (s->mirror >= 0 && (!s->url || !safe_path(s->path, strlen(s->path))))
            __builtin_trap();
        if (submodule_list_depth(&list, i) > (int)i + 1)
            __builtin_trap();
    }
    submodule_list_release(&list);
    return 0;
}
