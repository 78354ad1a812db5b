#include "log/suggest.h"

#include <ctype.h>
#include <string.h>

enum { NAME_MAX_LEN = 64 };

uint32_t dsdn_name_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    uint32_t row[NAME_MAX_LEN + 1];
    if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN) return UINT32_MAX;
    for (uint32_t j = 0; j <= b_len; j++) row[j] = j;
    for (uint32_t i = 1; i <= a_len; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= b_len; j++) {
            uint32_t change =
                diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            diagonal = row[j];
            uint32_t other = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            row[j] = change < other ? change : other;
        }
    }
    return row[b_len];
}

struct dsdn_guess dsdn_guess_for(const char *wanted)
{
    size_t len = strlen(wanted);
    return (struct dsdn_guess){wanted, NULL, (uint32_t)(len < 6 ? 2 : len < 60 ? len / 3 : 20) + 1};
}

void dsdn_guess_offer(struct dsdn_guess *guess, const char *name)
{
    uint32_t distance = dsdn_name_distance(guess->wanted, name);
    if (distance >= guess->distance) return;
    guess->distance = distance;
    guess->name = name;
}
