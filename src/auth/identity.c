#include "auth/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/spec.h"

void identity_release(struct identity *id)
{
    free(id->provider);
    free(id->subject);
    free(id->login);
    memset(id, 0, sizeof *id);
}

void identity_set(struct identity *id, const char *provider, const char *subject, const char *login)
{
    struct identity made = {xstrdup(provider), xstrdup(subject), xstrdup(login)};
    identity_release(id);
    *id = made;
}

void identity_copy(const struct identity *from, struct identity *to)
{
    memset(to, 0, sizeof *to);
    identity_set(to, from->provider, from->subject, from->login);
}

int identity_check(const struct identity *id, struct err *err)
{
    if (!id->provider || !spec_provider_is_valid(id->provider))
        return err_set(err, ERR_INVALID, "provider is not a name of one");
    if (!id->login || !spec_login_is_valid(id->login))
        return err_set(err, ERR_INVALID, "login has characters that are not allowed in a name");
    size_t n = id->subject ? strlen(id->subject) : 0;
    if (n == 0 || n > IDENTITY_SUBJECT_MAX)
        return err_set(err, ERR_INVALID, "the provider's id is missing or too long");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)id->subject[i] <= 0x20 || (unsigned char)id->subject[i] >= 0x7f)
            return err_set(err, ERR_INVALID, "the provider's id has odd characters");
    return 0;
}
