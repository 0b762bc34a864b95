#!/bin/sh
# Makes the certificates of these tests anew, with OpenSSL 3. Their keys are no secrets: nobody trusts these authorities but the tests. They last
# from 2020 to 2120, but for the one that is over.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# signed NAME AUTHORITY UNTIL EXTENSION...
signed() {
    name=$1 authority=$2 until=$3
    shift 3
    printf '%s\n' "$@" > "$work/ext"
    printf '[ca]\ndefault_ca=it\n[it]\nnew_certs_dir=%s\ndatabase=%s\nrand_serial=yes\ndefault_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n' \
        "$work" "$work/index" > "$work/conf"
    : > "$work/index"
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$work/$name.key"
    openssl req -new -key "$work/$name.key" -subj "/CN=$name" -out "$work/csr"
    self=$([ "$name" = "$authority" ] && echo -selfsign || echo "-cert $authority.pem")
    # shellcheck disable=SC2086
    openssl ca -batch -notext -config "$work/conf" $self -keyfile "$work/$authority.key" -extfile "$work/ext" \
        -startdate 20200101000000Z -enddate "$until" -in "$work/csr" -out "$name.pem"
}

may_sign='basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign'
here='subjectAltName=DNS:localhost,IP:127.0.0.1'
for name in authority stranger; do
    signed "$name" "$name" 21200101000000Z "$may_sign"
done
signed good authority 21200101000000Z "$here"
signed elsewhere authority 21200101000000Z 'subjectAltName=DNS:elsewhere.example'
signed unknown stranger 21200101000000Z "$here"
signed over authority 20210101000000Z "$here"
for name in good elsewhere unknown over; do
    cat "$work/$name.key" >> "$name.pem"
done
rm stranger.pem
