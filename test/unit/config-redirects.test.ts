import { redirectRule, rewriteRule } from '../../src/config/rules.js';
import { type Row, testRows } from '../support/value_rows.js';

const to = (pattern: string, target: string, status?: number) =>
  status === undefined ? { pattern, target } : { pattern, target, status };

const accepted: readonly Row[] = [
  ['redirect', redirectRule, '^/a /b', to('^/a', '/b', 302)],
  [
    'redirect',
    redirectRule,
    '^/(.*)$ \t https://a.example/$1  308',
    to('^/(.*)$', 'https://a.example/$1', 308),
  ],
  [
    'redirect',
    redirectRule,
    '^/a https://$host:8443$uri 301',
    to('^/a', 'https://$host:8443$uri', 301),
  ],
  [
    'redirect',
    redirectRule,
    '^/~(\\w+)/ https://$1.example.org/',
    to('^/~(\\w+)/', 'https://$1.example.org/', 302),
  ],
  [
    'redirect',
    redirectRule,
    '^/(.)/(.) http://cdn-$1.$2.example.org:80/',
    to('^/(.)/(.)', 'http://cdn-$1.$2.example.org:80/', 302),
  ],
  ['redirect', redirectRule, '^/a http://[2001:db8::1]/', to('^/a', 'http://[2001:db8::1]/', 302)],
  [
    'redirect',
    redirectRule,
    '^/(a)(b)? $1?x=$2&$args#top',
    to('^/(a)(b)?', '$1?x=$2&$args#top', 302),
  ],
  ['redirect', redirectRule, '^/a\\x20b\\sc /a%20b', to('^/a\\x20b\\sc', '/a%20b', 302)],
  ['redirect', redirectRule, '^/a$ /$$1$$$$', to('^/a$', '/$$1$$$$', 302)],
  ['redirect', redirectRule, '^/keep/ -', to('^/keep/', '-', 302)],
  ['redirect', redirectRule, '(?i)^/Ü /ü', to('(?i)^/Ü', '/ü', 302)],
  ['rewrite', rewriteRule, '^/old/(.*)$ /new/$1', to('^/old/(.*)$', '/new/$1')],
  ['rewrite', rewriteRule, '^(.*)$ /$host$uri', to('^(.*)$', '/$host$uri')],
  ['rewrite', rewriteRule, '^/(?P<year>[0-9]{4}) $1.html', to('^/(?P<year>[0-9]{4})', '$1.html')],
  ['rewrite', rewriteRule, '^/api/ -', to('^/api/', '-')],
  ['rewrite', rewriteRule, '^/api/ $uri', to('^/api/', '$uri')],
];

const BLANKS =
  'fields are separated by blanks, and a blank in a regular expression is \\x20 or \\s';

const refused: readonly Row[] = [
  [
    'redirect',
    redirectRule,
    '^/a',
    `"^/a" is not a regular expression, a target and, if wanted, a status: ${BLANKS}`,
  ],
  [
    'redirect',
    redirectRule,
    '^/a b /c 301',
    `"^/a b /c 301" is not a regular expression, a target and, if wanted, a status: ${BLANKS}`,
  ],
  [
    'redirect',
    redirectRule,
    '^/a b /c',
    `"/c" is not one of 301, 302, 303, 307, 308, nor part of the target: ${BLANKS}`,
  ],
  [
    'redirect',
    redirectRule,
    '^/a /b permanent',
    `"permanent" is not one of 301, 302, 303, 307, 308, nor part of the target: ${BLANKS}`,
  ],
  [
    'redirect',
    redirectRule,
    '^/a /b 300',
    `"300" is not one of 301, 302, 303, 307, 308, nor part of the target: ${BLANKS}`,
  ],
  [
    'redirect',
    redirectRule,
    '^/a b',
    '"b" does not begin with /, http://, https://, $1 to $9 or $uri',
  ],
  [
    'redirect',
    redirectRule,
    '^/a ftp://b/',
    '"ftp://b/" does not begin with /, http://, https://, $1 to $9 or $uri',
  ],
  [
    'redirect',
    redirectRule,
    '^/a $host/',
    '"$host/" does not begin with /, http://, https://, $1 to $9 or $uri',
  ],
  [
    'redirect',
    redirectRule,
    '^/a //b/',
    '"//b/" would lead to another host: write https:// and the host',
  ],
  [
    'redirect',
    redirectRule,
    '^/a /\\b/',
    '"/\\b/" would lead to another host: write https:// and the host',
  ],
  [
    'redirect',
    redirectRule,
    '^/a /b%zz',
    '"/b%zz" has a % that begins no percent-escape: write %25',
  ],
  [
    'redirect',
    redirectRule,
    '^/a /$request_uri',
    '"$request_uri" is not known: there are $1 to $9, $host, $uri and $args, and $$ for a dollar',
  ],
  [
    'redirect',
    redirectRule,
    '^/a /$0',
    '…"$0" is not known: there are $1 to $9, $host, $uri and $args, and $$ for a dollar',
  ],
  [
    'redirect',
    redirectRule,
    '^/a /$urix',
    '…"$urix" is not known: there are $1 to $9, $host, $uri and $args, and $$ for a dollar',
  ],
  [
    'redirect',
    redirectRule,
    '^/a /b$',
    '…"$" is not known: there are $1 to $9, $host, $uri and $args, and $$ for a dollar',
  ],
  [
    'redirect',
    redirectRule,
    '^/a /${1',
    '…"$" is not known: there are $1 to $9, $host, $uri and $args, and $$ for a dollar',
  ],
  [
    'redirect',
    redirectRule,
    '^/(a)(b) /$3',
    '$3 has no group to stand for: "^/(a)(b)" has 2 groups',
  ],
  [
    'redirect',
    redirectRule,
    '^/(a)(?:b) /$2',
    '$2 has no group to stand for: "^/(a)(?:b)" has 1 group',
  ],
  ['redirect', redirectRule, '^/a /$1', '$1 has no group to stand for: "^/a" has no groups'],
  [
    'redirect',
    redirectRule,
    '^(.*)$ https://a.example$1',
    '"https://a.example$1" lets a client choose the host by $1: put a / before it, or the rest of the host\'s name behind it, such as $1.example.org',
  ],
  [
    'redirect',
    redirectRule,
    '^/(.*)$ https://$1',
    '…"https://$1" lets a client choose the host by $1: put a / before it, or the rest of the host\'s name behind it, such as $1.example.org',
  ],
  [
    'redirect',
    redirectRule,
    '^/(.*)$ https://$host$1',
    "…lets a client choose the host by $1: put a / before it, or the rest of the host's name behind it, such as $1.example.org",
  ],
  [
    'redirect',
    redirectRule,
    '^/(.*)$ https://$1:80/',
    "…lets a client choose the host by $1: put a / before it, or the rest of the host's name behind it, such as $1.example.org",
  ],
  ['redirect', redirectRule, '^/a https://$args/', '"https://$args/" has $args in its host'],
  ['redirect', redirectRule, '^/a https:///b', '"https:///b" has no host, or one that can not be'],
  [
    'redirect',
    redirectRule,
    '^/a https://$uri',
    '"https://$uri" has no host, or one that can not be',
  ],
  [
    'redirect',
    redirectRule,
    '^/a https://u@b/',
    '"https://u@b/" has no host, or one that can not be',
  ],
  [
    'redirect',
    redirectRule,
    '^/a https://b:port/',
    '"https://b:port/" has no host, or one that can not be',
  ],
  [
    'redirect',
    redirectRule,
    '^/(?!x) /b',
    '"^/(?!x)" looks around by "(?!": lookahead and lookbehind can\'t be matched in linear time; rules are tried in order, so put a rule for the exception before this one',
  ],
  ['redirect', redirectRule, '(?=a) /b', '…put a rule for the exception before this one'],
  ['redirect', redirectRule, '(?<!a)b /b', '…put a rule for the exception before this one'],
  ['redirect', redirectRule, '(?<=a)b /b', '…put a rule for the exception before this one'],
  [
    'redirect',
    redirectRule,
    '^/(a)/\\1$ /b',
    '"^/(a)/\\1$" refers back to a group by "\\1", which can\'t be matched in linear time: write the alternatives out, as rules of their own where they are many',
  ],
  [
    'redirect',
    redirectRule,
    '(?P<n>a)\\k<n> /b',
    '…write the alternatives out, as rules of their own where they are many',
  ],
  [
    'redirect',
    redirectRule,
    '^/(a /b',
    '"^/(a" is not a regular expression: missing closing ) in "^/(a"',
  ],
  [
    'redirect',
    redirectRule,
    'a++ /b',
    '"a++" is not a regular expression: invalid nested repetition operator in "++"',
  ],
  [
    'redirect',
    redirectRule,
    'a\\ /b',
    '"a\\" is not a regular expression: trailing backslash at end of expression',
  ],
  [
    'redirect',
    redirectRule,
    '(?>a) /b',
    '"(?>a)" is not a regular expression: invalid or unsupported Perl syntax in "(?>"',
  ],
  [
    'redirect',
    redirectRule,
    '(a{50}b{50}){20} /b',
    '…(2042 instructions, at most 1000): use smaller repeat counts, or several rules',
  ],
  ['rewrite', rewriteRule, '^/a', `"^/a" is not a regular expression and a path: ${BLANKS}`],
  [
    'rewrite',
    rewriteRule,
    '^/a /b last',
    `"^/a /b last" is not a regular expression and a path: ${BLANKS}`,
  ],
  ['rewrite', rewriteRule, '^/a b', '"b" does not begin with /, $1 to $9 or $uri'],
  [
    'rewrite',
    rewriteRule,
    '^/a https://b/',
    '"https://b/" does not begin with /, $1 to $9 or $uri',
  ],
  [
    'rewrite',
    rewriteRule,
    '^/a /b?c=d',
    '"/b?c=d" has a ?: a rewrite changes the path alone, and the query stays',
  ],
  [
    'rewrite',
    rewriteRule,
    '^/a /b%20c',
    '"/b%20c" has a percent-escape: write the character itself',
  ],
  ['rewrite', rewriteRule, '^/(?!a) /b', '…put a rule for the exception before this one'],
  [
    'rewrite',
    rewriteRule,
    '^/a /$x',
    '…"$x" is not known: there are $1 to $9, $host, $uri and $args, and $$ for a dollar',
  ],
  ['rewrite', rewriteRule, '^/a /$9', '$9 has no group to stand for: "^/a" has no groups'],
];

testRows('redirects and rewrites', accepted, refused);
