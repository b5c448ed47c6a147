/* Bearer tokens: the text as it is, and its two halves (parted by a NUL) signed with our own key,
 * so that what stands behind the signature is reached. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "auth/jwt.h"
#include "base/enc.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static void check(struct jwt_signer *signer, const char *text, size_t len)
{
    const struct identity *who = NULL;
    jwt_signer_check(signer, text, len, &who, NULL);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct jwt_options options = {SECRET, NULL, "steadystate", 900, &clock_real};
    static struct jwt_signer *signer; /* kept: making one costs more than using it */
    if (!signer && jwt_signer_new(&options, &signer, NULL))
        return 0;
    check(signer, (const char *)data, size);
    const unsigned char *nul = memchr(data, 0, size);
    if (nul) {
        cleanup_str struct str token = STR_INIT;
        unsigned char mac[EVP_MAX_MD_SIZE];
        unsigned n = 0;
        enc_base64url(&token, data, (size_t)(nul - data));
        str_addc(&token, '.');
        enc_base64url(&token, nul + 1, size - (size_t)(nul + 1 - data));
        HMAC(EVP_sha256(), SECRET, (int)strlen(SECRET), (unsigned char *)token.p, token.len, mac,
             &n);
        str_addc(&token, '.');
        enc_base64url(&token, mac, n);
        check(signer, token.p, token.len);
    }
    return 0;
}
