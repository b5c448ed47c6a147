/* Index files; what is read comes out again as it went in. */
#include "git/index.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_index struct index index = INDEX_INIT;
    cleanup_index struct index again = INDEX_INIT;
    cleanup_str struct str out = STR_INIT;
    if (index_parse(data, size, &index, NULL) < 0)
        return 0;
    index_format(&index, &out);
    if (index_parse(out.p, out.len, &again, NULL) < 0 || again.len != index.len)
        __builtin_trap();
    return 0;
}
