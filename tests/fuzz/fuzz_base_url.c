/* Repository addresses and URLs: whatever is taken is clean. */
#include <stdlib.h>
#include <string.h>

#include "base/url.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct url url;
    if (url_parse((const char *)data, size, &url, NULL) == 0)
        url_release(&url);
    struct repo_url repo;
    if (repo_url_parse((const char *)data, size, &repo, NULL) == 0) {
        /* What goes into an argument list must not look like an option, and parses to itself. */
        struct repo_url again;
        if (repo.url[0] == '-' || repo.name[0] == '-' || strchr(repo.name, '/') ||
            repo_url_parse(repo.url, strlen(repo.url), &again, NULL) ||
            strcmp(again.url, repo.url) != 0)
            abort();
        repo_url_release(&again);
        repo_url_release(&repo);
    }
    return 0;
}
