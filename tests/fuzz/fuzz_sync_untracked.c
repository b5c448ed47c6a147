/* What `git ls-files --others -z` says of files whose names strangers chose. */
#include <string.h>

#include "sync/add.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_strv struct strv paths = STRV_INIT;
    if (add_parse_untracked((const char *)data, size, &paths))
        for (size_t i = 0; i < paths.len; i++)
            if (paths.v[i][0] == '\0' || paths.v[i][strlen(paths.v[i]) - 1] == '/')
                __builtin_trap();
    return 0;
}
