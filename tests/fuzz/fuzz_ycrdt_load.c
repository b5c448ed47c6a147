/*
 * Updates into an empty document: the quick way for whole states and the way that goes struct by
 * struct come to the same verdict and the same document. The first byte chooses the document's
 * client and character set, the rest is the update.
 */
#include "../unit/ycrdt/both_ways.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const uint64_t clients[] = {77777, 1, 2, 300};
    if (size > 0)
        check_both_ways(clients[data[0] >> 1 & 3], data[0] & 1 ? YCRDT_RAW : 0, data + 1, size - 1);
    return 0;
}
