/** The look of the status page: of the listings' family, light and dark, from phones to desktops. Pure. */

/**
 * Everything is laid out without the style attributes that the Content-Security-Policy would refuse. Colours that carry a meaning
 * have a sign or a word beside them.
 */
export const STYLE = `:root{color-scheme:light dark;--bg:#fff;--fg:#1f2328;--dim:#5d6570;--line:#e3e6ea;--hover:#f4f7fb;--link:#0a58ca;--good:#1a7f37;--warn:#8a5a00;--bad:#c4232b;--s2:#2f7de1;--s3:#7d8794;--s4:#c78a1b;--s5:#d6333b;--s9:#8250df}
@media(prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e2e5e9;--dim:#98a1ac;--line:#2b3037;--hover:#1d2228;--link:#7db4ff;--good:#4cc26a;--warn:#e0a63a;--bad:#ff7b78;--s2:#5596e0;--s3:#8b95a1;--s4:#d9a03c;--s5:#f0605f;--s9:#b392f0}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1.75rem 1.25rem 4rem;background:var(--bg);color:var(--fg);font:.9375rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere;-webkit-text-size-adjust:100%}
header{display:flex;flex-wrap:wrap;align-items:baseline;justify-content:space-between;gap:.25rem 1rem}
h1,h2,h3,p,ul,ol,dl,figure{margin:0;padding:0}
h1{font-size:1.375rem;font-weight:600;line-height:1.35}
h1 small{color:var(--dim);font-size:.9375rem;font-weight:400}
h2{margin:2.25rem 0 .75rem;font-size:1.0625rem;font-weight:600}
h3{font-size:.9375rem;font-weight:600}
ul,ol{list-style:none}
small,.note{color:var(--dim);font-size:.8125rem}
.good{color:var(--good)}
.warn{color:var(--warn)}
.bad{color:var(--bad)}
.dim{color:var(--dim)}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
#live{color:var(--dim);font-size:.8125rem}
#live::before{content:"";display:inline-block;width:.5rem;height:.5rem;margin-right:.4rem;border-radius:50%;background:var(--line)}
#live.live::before{background:var(--good);animation:beat 2s ease-in-out infinite}
body.lost{padding-top:4rem}
#live.lost{position:fixed;top:.5rem;left:50%;z-index:1;width:calc(100vw - 1.5rem);max-width:70rem;transform:translateX(-50%);padding:.5rem .75rem;border-radius:.5rem;background:var(--bad);color:var(--bg);font-weight:600}
#live.lost::before{background:var(--bg)}
.lost main{opacity:.55;filter:grayscale(1)}
@keyframes beat{50%{opacity:.35}}
.pill{display:inline-block;padding:.0625rem .5625rem;border:1px solid;border-radius:1rem;font-size:.8125rem;font-weight:600;white-space:nowrap}
.summary{display:flex;flex-wrap:wrap;align-items:center;gap:.5rem .875rem;margin-top:.875rem}
.summary>.pill{padding:.1875rem .875rem;font-size:.9375rem}
.summary p{display:flex;flex-wrap:wrap;gap:0 .3rem;color:var(--dim)}
.summary p span+span::before{content:"\\00b7\\00a0 "}
.missing{margin-top:.75rem;padding:.5rem .75rem;border-left:3px solid var(--bad);background:var(--hover)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr));gap:1rem}
.card,figure{display:flex;flex-direction:column;min-width:0;padding:.875rem 1rem;border:1px solid var(--line);border-radius:.625rem}
.card{color:var(--fg)}
.card.bad{border-color:var(--bad)}
.card.warn{border-color:var(--warn)}
.card h3{display:flex;align-items:center;justify-content:space-between;gap:.75rem}
.card.good .pill{color:var(--good)}
.card.warn .pill{color:var(--warn)}
.card.bad .pill{color:var(--bad)}
.bricks{margin:.5rem 0;font-size:.8125rem}
.bricks li{display:grid;grid-template-columns:1rem 1fr auto;gap:.25rem;padding:.125rem 0}
.bricks li bdi{color:var(--fg)}
.bricks li.good span:last-child{color:var(--dim)}
summary{color:var(--dim);font-size:.8125rem;cursor:pointer}
dl{display:flex;gap:1.5rem;margin-top:auto;padding-top:.625rem;border-top:1px solid var(--line)}
dt{color:var(--dim);font-size:.75rem}
dd{margin:0;font-weight:600}
.card>p.bad{margin:.25rem 0 .625rem;font-size:.8125rem}
.plots{display:grid;grid-template-columns:repeat(6,1fr);gap:1rem}
figure{grid-column:span 2}
figure:nth-child(-n+2),.four figure{grid-column:span 3}
figcaption{display:flex;flex-wrap:wrap;align-items:baseline;justify-content:space-between;gap:0 .75rem}
figcaption h3{color:var(--dim);font-size:.8125rem}
.now{font-size:1.375rem;font-weight:600;line-height:1.3}
.frame{position:relative;height:7.5rem;margin-top:.625rem;padding-left:3.5rem;touch-action:pan-y}
.frame svg{display:block;width:100%;height:100%;overflow:visible}
.frame span{position:absolute;left:0;top:0;width:3.125rem;color:var(--dim);font-size:.6875rem;line-height:1;text-align:right;white-space:nowrap;transform:translateY(-50%)}
.frame span+span{top:50%}
path{fill:none;vector-effect:non-scaling-stroke}
.grid{stroke:var(--line)}
.line{stroke-width:1.5;stroke-linejoin:round;stroke-linecap:round;stroke:currentColor}
.area{fill:currentColor;opacity:.22}
.s2{color:var(--s2)}
.s3{color:var(--s3)}
.s4{color:var(--s4)}
.s5{color:var(--s5)}
.s9{color:var(--s9)}
.line.s9{stroke-dasharray:5 3}
.axis{display:flex;padding-left:3.5rem;justify-content:space-between;margin-top:.25rem;color:var(--dim);font-size:.6875rem}
.legend{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,12.5rem),1fr));gap:0 1rem;margin-top:.375rem;font-size:.8125rem}
.legend i{display:inline-block;width:.75rem;height:.1875rem;margin-right:.4375rem;vertical-align:.25em;border-radius:2px;background:currentColor}
.legend i.s9{background:repeating-linear-gradient(90deg,currentColor 0 .3rem,transparent 0 .45rem)}
figure>.note{margin-top:auto;padding-top:.375rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:0 2rem}
.pair>section{min-width:0}
table{width:100%;border-collapse:collapse}
th,td{padding:.375rem .5rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th:first-child{padding-left:0;text-align:left;font-weight:400}
td:last-child,th:last-child{padding-right:0}
td{white-space:nowrap}
thead th,thead th:first-child{padding-top:0;color:var(--dim);font-size:.8125rem;font-weight:600}
tbody tr:hover{background:var(--hover)}
.events{max-height:24rem;overflow-y:auto}
.events li{display:grid;grid-template-columns:1rem auto 1fr;gap:.5rem;padding:.3125rem 0;border-bottom:1px solid var(--line);font-size:.8125rem}
.events time{color:var(--dim)}
.events li>span:last-child{color:var(--fg)}
#readout{position:fixed;left:50%;bottom:1rem;z-index:1;max-width:calc(100vw - 2rem);padding:.375rem .875rem;border-radius:.5rem;background:var(--fg);color:var(--bg);font-size:.8125rem;white-space:pre-wrap;transform:translateX(-50%);visibility:hidden}
#readout.shown{visibility:visible}
@media(max-width:48rem){.plots{grid-template-columns:1fr}.plots figure:nth-child(n){grid-column:auto}}
@media(max-width:36rem){body{padding:1.125rem .75rem 3rem}h1{font-size:1.1875rem}.wide{display:none}th,td{padding-left:.25rem;padding-right:.25rem}.card,figure{padding:.75rem}}
@media(prefers-reduced-motion:reduce){#live.live::before{animation:none}}
`;
