/* .gitmodules of strangers: whatever is let through lies at the origin of the superproject. */
#include <string.h>

#include "git/gitmodules.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const char base_url[] = "https://h.org/t/app.git";
    struct gitmodules m;
    struct repo_url base;
    if (gitmodules_parse((const char *)data, size, &m, NULL) < 0)
        return 0;
    if (repo_url_parse(base_url, strlen(base_url), &base, NULL) < 0)
        __builtin_trap();
    for (size_t i = 0; i < m.len; i++) {
        struct repo_url url;
        if (gitmodule_check(&m.v[i], NULL) < 0)
            continue;
        if (strncmp(m.v[i].path, "../", 3) == 0 || strstr(m.v[i].path, "/../") ||
            m.v[i].name[0] == '/')
            __builtin_trap();
        if (gitmodule_resolve(&base, m.v[i].url, &url, NULL) < 0)
            continue;
        if (url.kind != REPO_HTTPS || strcmp(url.host, "h.org") != 0)
            __builtin_trap();
        repo_url_release(&url);
    }
    repo_url_release(&base);
    gitmodules_release(&m);
    return 0;
}
