/** The look of a listing: one static style sheet, light and dark, from phones to desktops. Pure. */
import { createHash } from 'node:crypto';
import { type Drawing, FOLDER_ICON, lineIcon } from './listing_icons.js';

const KINDS: readonly Drawing[] = ['text', 'image', 'video', 'audio', 'archive', 'up'];

/**
 * Icons are backgrounds and not elements: of 50,000 rows each has one element less.
 *
 * The table's layout is fixed, so that a browser can lay rows out as they come, and so that no name, however long, makes the
 * page wider than the screen.
 */
export const STYLE = `:root{color-scheme:light dark;--bg:#fff;--fg:#1f2328;--dim:#5d6570;--line:#e3e6ea;--hover:#f4f7fb;--link:#0a58ca}
@media(prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e2e5e9;--dim:#98a1ac;--line:#2b3037;--hover:#1d2228;--link:#7db4ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1.75rem 1.25rem 3rem;background:var(--bg);color:var(--fg);font:.9375rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
h1,p{padding:0 .5rem}
h1{margin:0;font-size:1.375rem;font-weight:600;line-height:1.35;overflow-wrap:anywhere}
h1 i{margin:0 .3em;color:var(--dim);font-style:normal;font-weight:400}
p{margin:.35rem 0 0;color:var(--dim);font-variant-numeric:tabular-nums}
table{width:100%;margin-top:1.25rem;border-collapse:collapse;table-layout:fixed;font-variant-numeric:tabular-nums}
th,td{padding:.4375rem .5rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{padding-top:0;font-size:.8125rem;font-weight:600}
th,th a{color:var(--dim)}
th[aria-sort] a{color:var(--fg)}
th[aria-sort] a::after{content:"\\2009\\2191"}
th[aria-sort=descending] a::after{content:"\\2009\\2193"}
td{color:var(--dim)}
tbody tr:hover{background:var(--hover)}
th:nth-child(2),td:nth-child(2){width:6.5rem;text-align:right;white-space:nowrap}
th:nth-child(3),td:nth-child(3){width:11rem;padding-left:1.5rem;white-space:nowrap}
td a{display:block;padding-left:1.75rem;background:url("${lineIcon('file')}") 0 .125rem/1.1875rem no-repeat}
.folder{background-image:url("${FOLDER_ICON}")}
${KINDS.map((kind) => `.${kind}{background-image:url("${lineIcon(kind)}")}`).join('\n')}
@media(max-width:36rem){body{padding:1.125rem .25rem 2rem}h1,p{padding:0 .375rem}h1{font-size:1.1875rem}th,td{padding-left:.375rem;padding-right:.375rem}td+td{padding-top:.5625rem;font-size:.8125rem}th:nth-child(2),td:nth-child(2){width:4.25rem}th:nth-child(3),td:nth-child(3){width:5.75rem;padding-left:.375rem}th span,time span{display:none}td a{padding-left:1.5rem;background-size:1.0625rem;background-position-y:.1875rem}}
@media print{td a{background:none;padding-left:0}}
`;

/** Nothing is loaded, run, sent or framed into the page but this style sheet and the icons in it. */
export const CONTENT_SECURITY_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256')
  .update(STYLE)
  .digest('base64')}'; img-src data:; base-uri 'none'; form-action 'none'`;
