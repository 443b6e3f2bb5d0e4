"""Words and names of the real world that the code of `names.py` could spell; none of them names an entity."""

TEXT = """
ababa aback aband abandon abbas abbess abbot abort above abram abras abund abundant abuse abused abuses abyss ached
adamant added addis addon adele adler adobe adored adorned adren adult agatha agenda agent agile agnes agora agreg
agustin akira akron alabama alarm alarmed alaska alban albert albin album alert alger algun alike alison alist alive
alkyl allah allan alleg allege alleged alleges allek allele alleles allem allen aller alles alligator allison allot
allure almond almost alone altar alter altern alton alumin aluminum alvin amanda amara amassed amazed amazon amber
ambig ambul ambush ameli amend amended amiga amigos amino amish amman ammon amore amulet amused analog anand anatom
anchor ander andes andre andres andris anest angel anger angus animal animator anime anisot anita annapolis annex
annih annot annum anomal another anova anson antes anthem antim antit anton antrim anukis apache apart apenas apollo
apolog apost appar appell append appet april apron aragon arbit arbor arche arched archer arches arden ardent arena
arenas argent argus argyll arise arises arist arizona armand armed armen armor arnold arnor aroma arose arrest
arrested arrival arrive arrived arrives arrog arrogant arryn arson arter arthur artist aruba asher ashes ashok aside
asked aslan aspen aspir assam assass assassin assent assert assess assessed asset assim assist assistant assisted
assume assumed assumes assur assure assured aston astor astrid astro astron astros atari athen athena ather atheros
atikokan atlas atoll attach attack attend attent avalon avant avatar avila avril azimuth azores azure backed backend
baden badly baked baker bales balkan ballad ballard ballast ballet ballo ballot bamako banana bananas banda banded
bandit banged bangor banished banker banned banner barack barak barbed barber bared barge barges barked barker barnard
barnes barnet baron baroness baronet barrage barre barred barrel barren barrister barron barry barton basal basalt
baseball based basedir basel baseman basement basepath bases basha basil basin basis basket bassist bastard bates
bathed baton bator batted batter beaches beale beamed bearded bearer beaten beatles beatty beaver becker becky bedrock
began begged begin begun belarus belem belinda belize bella belle belly belmont beloved bemused benches bender bengal
benin benito benny benson benton berber bergen berger berlin berman bernard berry bertha bertram bertrand beside
besides besuch besucher betas bethel better betty bever bible bibli biden bigger biggest bigint bigram biker bikes
bikini bilateral billed billy bingo bipart bipolar bison bites bitten bitter bizarre blackish bladder blade bladed
blades blake blame blamed blanchard blanche blanket blasted blaze blazed blended blender blessed blinded blinked
blocked blogger blonde blossom blurred blurted blushed bobbed bobby bochum bogota bogus bokeh bolivar bolted bolton
bombard bombed bomber bonded boneless bones bonne bonnet bonus bonuses border bored boredom boris borne boromir bosses
boston botan botanist bother bothered botlog bottom bovine bracket braden brady brake brakes branched branches branded
brandon brandy brasil brave braves bravo brazil breached breaker breathe breathed bremen brenda brendan brennan breton
bribe bribes bride brides brigade brigades bristol british britten brody broke broken broker brokerid bronze brothel
brother bruno brushed brushes brutal brute bubba bucket budapest buddy bukit bulge bulky bullet bulletin bullock bully
bumped bumper bundy bunker bunny bunsen burden buren burgas burger burgess burke burma burned burner burton burundi
buses bushes business busted buster butler butte butter button cabaret cabernet cabin cabinet cable cables cache
cached caches caden cadena cadet cages cakes calder calendar caliber called caller callum calmed calvert calves calvin
camden camel camera cameras cameron camilla camille camin camped campo campos campus canad canada canal candi candid
candy canine canker cannabis canned cannes cannon cannot canon canton cantor canvas capita capital capitalist capitol
capped caravan carbo carbon cardi cared careg careless cares caress caressed caret cargo carla carlo carlos carly
carmel carmen carol carole carolina carot carotid carpet carra carri carroll carrot carry carson carsten cartel carter
carved carver cases casimir casino casinos casket casos casper caste castes castro catal catalan catalina catalog
catast categ categor cater cathedral catheter cathode cathy cavendish cavern caves cease ceased cedar ceded celeste
celine cellar celle cello cellular cement censor census center central centre centred centres centro ceremon cerro
cesar cesare cette chagos challen chamber chandra change changed changes channel chapel chaplin charge charged charges
charles charred charset charted charter chase chased chases chassis chatham chatter cheaper cheated checked checker
chemist chemok cherry cheryl chester chevy chiba chicken childish chile chili chilled chilly chime chimed china chiral
chita choke choked chopin chopped chopper chopra choral chore chores chorus chose chosen churches churchill cider
cigar cinder cindy cinema cinemas cinnamon citadel cited cites citizen citro citrus civil clade clamped clapped clara
clare clarke claro clary clashed clashes clasped classe classed classes cleaned cleaner cleared clearer clearly
clement clenched clergy clermont clever clicked climax climbed clinched clinton clipped clive clone cloned clones
close closed closer closes closest closet clothed clothes clover cloves clube cluster clutter cobalt cobra cochin
cocked cocky coded coder codes codex codigo codon colbert colby colder coleman colin collabor collagen collar collate
collateral colle college colleges collide collided collin colombo colon colonel color colorado colored colossal colton
columbus combat combin combo combust comeback coment comes comet comiss comma command commas comme commem comment
commiss commit commod common commun comor comoro compan compar compart compass compat compel compet comport compos
comput comune conan conde conden condo condom condor condu cones congen congest congo conna connell conner connor
conor conse consel consent consist consol conson consort constant constit consul consult consum conta conten contend
content contest contig contin contra contrast contre contro control conve conven convent conver convert convex convin
convol copeland copern copper coral corbin cores corina corinne cornell corner cornish coron corona coroner corpor
corpus correl corrid corridor corro corrobor cortes cortex cosas cosine cosmos costa costas cotton covari coven
covenant covent cover covered covert covet coveted covid cracked cradle cradled cramer cramped crane cranes crashed
crashes crate crater crates craved craven crazed crazy creaked creamy create created creates creator credit crested
creston crete cricket crime crimes crimin cringed crises crisis criter cropped crore crossed crosses crude crushed
cuban cubed cubes cullen culmin cupped curate curated curator cured curled curly curran current curry curse cursed
curses cursor curtis curtiss curve curved curves custer custom cutler cutter daddy dados dagger dakar dakota dalinar
dallas dalton damage damaged damages damit dammit damned damon danes danger danish danny dante danube danzig darby
dared darker darkest darrell darren darryl darted daryl dashed dashes datadir datapath datas dataset datat dated daten
dates datos datum daven david davis dazed deadly dealer debate debated debates debit deborah debra debris debug debut
debuted decker deleg delet delete deleted deleter deletes delilah delim delimit deline deliver della delle delta
deltar deltas deman demand demanded demise demol demon demos demoted dendro denim denis denise dennis denny denom
denomin denote denoted denotes dense dental dentist denton dentro denver depart depend depended dependent deport depos
deposed deposit depot depress depri deput deputado derby dereg derek derive derived derives derrick derry desen desert
deserve deserved deserves desira desire desired desires desmond desper dessert desta deste destin detach detached
deter determin deton detri devast dever devil devin devised devon devote devoted dicken digest digger digit digital
dilemma dilig dillon diluted dimer dimin diminish dimitri dinah dinamo diner dinero dinner diplo dipped dirpath dirty
disambig disaster dishes dismant dismiss disorder dispar dispen dispon dispos disput disse dissent dissolve dissolved
distal distant distort distress distro distrust disused diver divert divid divide divided dividend divider divides
divine divis divisor divor dizer docked docker dollar dolly dolores domed domes domin dominant domino donald donate
donated donde donegal donna donnell donner donor donovan doris dormant dorsal dorset dosage doses dotted dover dozen
dragged dragon drake drama dramas dramat drammen draped draper dreamed dreamer drenched dressed dresser dresses
drilled dripped drive driven driver drivererror drives drone drones dropped drove drugged drummer drummond drunken
drury dubbed dublin duchess duchy ducked dukes duluth dummy dumont dumped dunder dunedin dunes dunne duplex dupont
duran durante durban durga dustin dusty dutton duval eager eagle eagles earle early earned earnest eased easter
eastern easton eaten eater eaton ebert edema edison edited edith editor edubuntu elabor elder eldest elegant element
elemental elemento elementos elena elevator eleven elgin elisa elise elite elites eliza ellen eller ellis ellison
ellos elmer elton elves elvis embed embell embod embra embro embry emerald emeritus emile eminent empir emulator ename
enamel ended ender endor endot enoch enorm entend enter entert enthus entre entry epide epidemi epile episod epithe
epithet epoch erase erased erich erika ernest eroded erred errone error esper essen essendon essent essex estar estas
estim estud etern eternal ethan ethanol ethel ether ethernet etudes evade evalu evandar evapor event everest evident
evolve evolved faber fable faded fades fakes fallen fallon false falta famagusta famed famil famine fanart fanny fanta
fantas faramir fares fargo farmer farrell farther fasta faster fastest fatal fated fates father fatima fatty favor
favored fazer feared fearless feather fecha feder federal federer felipe felix female females femin feminist femme
femmes femoral fender fenton feral fergus ferrara ferrari ferrer ferris ferro ferry fertil fetal fetus fever fiber
fibre fibrin fibro figural figure figured figures filed filelist filepath files filipino fille filled filler filly
filmed filter filthy final finale finalist finder fined finer fines finest finger fingert finish finished finishes
finite finnish fired fires fished fisher fishes fisted fitted flagged flakes flaky flame flames flanagan flanked flare
flared flashed flashes flashy flatly flatten flavor flemish flicked flicker flinched flipped flopped floppy flora
floral flores florida flotilla flushed flute flutes flutter fodor folded folder folly foram forbes forbid foreman
foremost forest forested forever forge forged forget forgot forma formal format formed former formul forrest forster
forsyth forte forti fortress forty forum fossil foster frage frame framed frames frankish frappe fraser freaked freddy
freder fredrik fremont frente frenzy fresno fringe frontal fronted frontend frosted froze frozen fucked fuller fully
fulton funded funeral fungal fungi fungus funky funnel funny furnish furry further fused futile future futures futuro
gabby gable gabled gables gabon galapagos galen galile gallant gallegos gallo gallon gamer games gamma ganga gaped
garage garant garde garden gareth garin garland garment garner garrison garry gases gasped gaston gastro gates gather
gathered gavin gazed gazes gearbox geared gecko gegen gemini gemma gender gener genera general generator genes genesis
geneva genome genomes gensim gente gentry genus gerade gerald gerard german gerry getall getter getty gevent gilbert
gilded giles gille gilles ginger given gives gladly gladys glare glared glasses glazed gleamed glide glided glider
glitter global globe glory glossy glove glover gloves gluten goblin goddam goddard goddess golden gondor gonna goran
gordon gorge gorilla gorman gospel gotham gotta gotten gover govern governed governor grabbed grade graded grades
gradu grady grammar grammy granada grande grange granger granite granny granted grape grapes grasped grasses grassy
grate grated grave gravel graves gravit grazed grease greasy greater greatest greatly greaves gregor grenada grenade
grenades greta gridy grille grimes grinned gripped gritted grossed grove grover groves grundy grunted grupo gulped
gundam gunnar gunner gunter gunther gusta guzman haben habit habitat hablar hacked hacker hades hagen haggard halle
halted halves hamas hamid hamilton hamish hammer hammond handed handel handy hangar hanged hangul hanna hannah
hannibal hannover hanover hansen hanson happen happy harald harare harassed harbin harbor harden harder hardest hardin
hardy harlan harlem harmed harmon harness harold harper harri harriman harris harrison harry harta harvard harvest
hasan hashed hashes haskell hassan hasta haste hasty hated hates hatred hatte havana haven havilland havre hazard
hazel headed header healed healer healthy healy hearted hearty heated heather heaved heaven heavy hebron helen helena
helene helix heller hello helmet helmut helped helper hemat hemis hemor henan hendrix henson hepat hepatitis herald
herbal herbert heredit herman herme hermes hermit herod heron herrera hesit hesitant hesse heter hetero hidden hides
hilbert hilda hilly hilton hindi hindu hindus hines hinges hinted hiram hired hires hiroshi hissed histo histor hither
hitler hitter hobart hobby hogan holden holder holes holid holiness holland hollis holly holmes holodomor holster
homage hombre homeland homeless homer homes homme homogen homolog honda honest honolulu honor honored hoped hopeless
hopes hopped hopper horas horde horizon horizont horizontal horne horned hornet horror horse horses horton hosted
hostel hostess hotel hotter hottest hover hovered hubbard hubert hugged human humane humanist humid humili hummed
humor hunan hunched hundred hunger hunted hunter hurled huron hurry hushed husky hutton ident ignor illeg illegal
illumin illumina image imaged imagen images imagin immer immun impart impat imped imper import inade inched inches
indent index indist indul indus inert ingen ingest initi innate inner inode inorder inser insert inset insist insol
install instant instit insult intel inten intend intent inter intern intest intim intol intra intrig intro intron
intros inuvik invent invert invest invol iprot ireland irene irina irish irregular irrelevant irres irrit isabel
isabella islam island isles istent iterator itunes jacket jagged jagger jalan jamal james jameson jammed jammu janata
janet japan jared jarvis jason jasper javax javelin jeanne jelly jelmer jenna jenny jensen jericho jerked jerome jerry
jesse jesus jimmy jitter jogada jogged joked joker jokes jolly jolted jonah jonas jonathan jones jonny jordan jorge
joshi judah judas judith jules jumped jumper juniper junta jupiter jurgen juris jurist juror justin juven juventus
kabul kaladin kalman kalmar kamal kamen kannada kansas kanton kaplan kappa karachi karate karel karen karim karin
karma kassel kathy kavalas kazan keane kellan keller kelly kelvin kendall kendra kendrick kenneth kenny kentish kenton
kepler kerala keras kerman kernel kerry kevin kicked kicker kigali kilda killed killer kilome kimball kimber kinase
kinda kinder kindred kinet kiran kirby kirsten kissed kisses kitten kitty kochi kodak kommen kommer koppen kosher
kosovo kosten kramer kristen kristin kruger kubrick kultur kumar kunden kurdish label labeled labelled labor lacked
ladder laden lagos laguna lakes lamar lambert lament lamin landed landon lanes lange langu lanka lankan lannister
lantern large larger largest larkin larry larsen larson laser lashed lashes lassen lasted latent later lateral latest
latex latham latin latino latter laval lavender lavish lazarus leader leaked leaned leaped learned learner leary lease
leased leases leather leave leaves lebanon legal legend leger legged legis legit legolas leland lemma lemon lenin
lennon lennox lenny lenses lesser lesson lester lethal letra letter levant level leveled lever levin levine libby
libel liber liberal libert libre licked ligament ligand ligne lignin liked likened likeness likes lilith lille lilly
limerick limit limited linda linden lined lineman linen lineno liner lines linger lingu linked linker linux lipid
lipitor lissa lista liste listed listen lister liter literal litre litres litter lived liver lives livestock lizard
lobby lobes locke locked locker logan logarith logged logger login logit logos lombard london longed longer longest
loren loser loses losses lotus loved lover loves lublin lucha lucky lugar lukas lumbar lumber lumin luminal lumpur
lunar lunged lupin lurched lured lusaka luther lutheran luton luzon mabel machen machin madam madame madden maddox
maddy madera madigan madison madly madonna madras madre madrid magadan magna magnet magnum magnus makassar maker makes
malabar malabo malaga males malibu malik malmo malone malta malvern mammal mammoth manage managed manager manages
manchu mandal mandir mandy manga mango manila manitoba mankind manned manner manny manor manson mantra maple mapped
mapper maputo marathi marathon marche marched marches marek maren marge margin margot marigot marin marina marine
marines marino maris marissa marital marked marker market marko markus marlen marlon marne marred marri marry marta
martell martha martin marty martyr marvel marvell marvin maseru masha masked mason massage masses massimo massive
master matamoros mated mater maternal mates mathemat matilda matrix matter mature maver maverick mazda meade mechan
medal medalist medallist medidas medina medit megan melan melanoma melina melinda melissa mellon melted melvin member
memor memorandum mendes menon menor menos mental mentor menus merchant meredith merge merged merger merges merida
merit merlin merrill merry merton meses meshes mesmo message messagebox messages messed messina messy metabol metadata
metal metast metavar meter methan methane methanol method methodist methyl metis metre metres metro miche michel
midland migrant milan milano miles milit militant milky miller milne milos milton minas minded minden mined miner
mineral minerva mines minidom minim minimal minimum minister minnesota minor minus minute minutes minutos minval
mirage miranda mirna mirnas mirror mirrored mirza misma mismo missed misses missile missiles missy mister mistress
misty misunder mitar mitochond mobil mobile mocked mocker modal model modeled modelled modelo modem moderator modern
modernist modes modest modular module modules modulo modulus mogadishu molded molina mollusk molly molten moment
momento momentum momma mommy monde mongo mongol moniker monitor monopol monoton monster monte monty monument
monumental moral morale morales moran mordor moreno morgan mormon morris morrison morse mortal mortar morton moses
moshe mostar mostrar motel mother motive motives motor motorola motto moved movement moves mozart mozilla mubarak
mucho muddy muller multi multid multil mummy munchen mundo munich munster mural murder murdoch murine murmur mused
musik muslim mussolini mustard muster mutant mutate mutated muted mutter nagar nagasaki nakamura naked named names
nanny nanor nanose nantes naples napoli narrated narrator narva narvik nasal nasser nasty natal natasha nathan native
natives natural naturalist nature naval navar navarre navarro navig navigator nazareth nazis nearby neared nearer
nearest nearly neatly nebula nedra neglig negot negro nelly nelson nemat nemesis nepal nepali nerve nerves neste
nested nestor nevada never neville niche nichol nickel nicky nigel niger nikita nikol nikola nikon ninet nipigon
nippon nissan nitro nobel noble nobles noche nodded nodelist nodes nolan nombre nomin nominal nonash norma normal
norman normed norris norse norte northern norton nosed noses nossa nosso nosuch noted notes nothin notor notre novak
novel novelist novella november number numer numerator numero numpy nurse nurses obama obese oblast oblig odessa
odisha older oldest olist olive oliver olsen olson omega onset openapi opened opener openid opera operand operas
operator opined opport oppos oprot orbit orchard orchid orden order ordin oregano oregon organ origin original orson
orthod orton osaka oserror oskar osman ostrich otago other otras otros otter ovari overall overrid overrun overt ozone
pablo packard packed packet padded paddy padre padres pagan pager pages paginator pagoda pakistan paler palermo palest
palestin palma palmer pamela panama panda pandas pandit panel panorama panted panther pantry panzer papal paper parach
parad parade parades paradox parallax parallel param parame paramiko paran parana paranormal parapet paras pardon
paren parent parental paris parish parishes parked parker parlor parma parole parrot parry parse parsed parser parses
parte parted parti partir party pasadena pasha passage passages passed passer passes passive pasta paste pastor pastry
patel patent patented paternal pathogen patri patrick patrol patron patted pattern patti patton patty paved pavel
pavement peaked peanut pearson peasant pedal pedest pedestal pedro pegasus peggy penal pendant penet penis pennant
penned penny pentax pepper perched pergunt peril perish perished perman perme permit perpet perrin perry persist
person persu pesso peter petit petite petra petrol petty picked picker picket piled piles pillar pilot piloted pinched
pindar pines pinned pinto piper pipes pirate pirates pissed pistol piston pitted pitti pivot pivotal planar plane
planes planet planned planner planted plasma plasmid plaster plata plate plates plato platte platter plaza pleaded
pleasant please pleased plenty plone plotly plotted plucked plugin plume plunge plunged plural pluto pocket podemos
poder poked pokemon poker poland polar poles polish polished polit polite polka pollard polled pollen pollock polly
polym polys ponape ponder ponto popen popli popped poppy popul popular pores portal porte ported porter porto portug
posed poses posit posix posse possess possessed possesses postal posted poster potato potent potter pradesh prakash
prasad preached preacher predator predomin predominant pregnant prelate prelim prelude premi premise premises prendre
prepar prepare prepared prepares prepend prepended prere present presented presenter preserve preserved preserves
preset presided president pressed presses pressure pressured pressures preston presume presumed preten pretend
pretended pretty prevalent prevent prevented pride prima primal primate prime primer primera primes printed printer
prison prisoner privat private privile privy prize prized prizes probabil probe probes proble problem produ produk
progen progenitor program progress promin prominent promise promised promises promo promot promote promoted promoter
promotes prone propag propaganda propagator propelled propeller proper proponent proport proposal propose proposed
proposes proposta propped propri prose prosper protag protagonist prote protege protest protestant protested proto
proton protot prove proved proven proves provid provide provided provider provides provoke provoked provost prudent
prune publish puget pulled pulpit pulse pulsed pulses pumped punched punches punish punished punta punto pupil puppet
puppy purge purse pursed pushed pushes pussy putin rabbi rabbis rabbit rachel radar raged ragged raked rally raman
ramdisk rammed ramon ramos rampant rancho randall randint random randy range ranged ranger ranges rango ranked rankin
ransom raped rapid rapper rapport rashid rasped raster rated rates rather ravaged raven ravenna ravine razor reached
reacher reaches reader ready reagan really reaper reared reason rebar rebase rebel rebelled reborn rebut reckon
reddish reddit reddy redis redist redund redundant regal regan regard regarded regel regener regent regex regime
regimen regiment regimental regimes regina reginald regis regist register regress regret regul regular regulator relat
relate related relates relator relax releg relent relevant relig remade remake remand remanded remember remind
reminded reminder reminis remix remnant remot remote removal remove removed removes renal rename renamed render rendre
rental rented repent repet reply report repos repre repress repri reprint repro reput reputed rerun resent resented
reser reserve reserved reserves reset resid reside resided resident resides resil resin resist resistant resisted
resize resized resnet resol resolve resolved resolver reson resonant resort respe respon respond restart reste rested
result resultant resulted resume resumed resurre resus retal retard retina retinal retire retired retre retro retros
retry return returned revel reven rever revered reverend revert revise revised revival revive revived revoke revoked
revol revolt revolver revolves ribbon richard richer riches richest ricky riddell ridden rider rides rigged rigid
rigor ringo rinsed ripped risen rises risked risky rites ritter rival river rivera robbed robber robert robes robin
robot robust robyn roche rocked rocker rocket rocky roderick rodrig roger roland roles rolled roller roman romani
romano romero ronald ronan ronin ropes rosen roses rospy rossi roster rotate rotated rothera rotor rotten rover rubbed
rubber rubbish ruben rubin rudder rugged ruled ruler rules rumor rumored runes runner rupert rural rushed rushes
russell russo rusty rutland sabah sabas sabbath saber sabina sabine sable sablon sabot sabre sabres sacked saddam
sadler sadly sagged sakura salad salazar salem sales salim saline salir saliva salle sally salman salmon salon salsa
salta salty salute samara samba sammy sandra sandy santa santo santos sarah saratoga sargent saruman sasha satan satin
satire satur saturn savage savanna savannah saved saver saves seaborn sealed seaman seamen seamus searched searcher
searches season seated seater sebast sedan sedim sediment segunda segundo seldom selena selina seller selma semana
semester semin seminal seminar senate senator sender senegal sense sensed senses sensit sensor sentir sentry separ
separator seper serena serene serge sermon serotonin serpent serra serum servant serve served server serves servi
servo sesame seton setter seven sevent sever several severe severed severn sevilla seville shade shaded shader shades
shady shaggy shake shaken shakes shaky shale shaman shame shane shankar shannon shape shaped shapes shapiro share
shared shares sharma sharon sharpe sharpen shatter shave shaved shelby sheldon shelly shelter shelton shelve shelves
shepard sheppard sheridan sherlock sherman sherry shetland shine shiny shipped shiprock shire shitty shiva shiver
shivered shocked shone shore shores shorten shorter shortest shorthand shove shoved shovel shudder shutil shutter
siber sicher sidebar sided sidekick sides signal signed silas silent silky silly silva silver similar simmer simon
simone simulator simult sinatra singer sinister sinus sipped sired siren sister sited sites sized sizer sizes skate
skater skilled skillet skimmed skinned skinner skinny skipped skipper skirmish skulle slade slalom slammed slapped
slashed slashes slate slated slater slave slaves slender slide slider slides slipped slogan slope slopes sloppy slovak
sloven slumped smacked smaller smallest smarter smashed smeared smelled smile smiled smiles smirked smoke smoked
smoker smoky snake snakes sname snapped snarled sniper snippet snorted sobbed sober sobre socket solar solid solidi
solidus solomon solon solos solve solved solvent solver solves somali somber somer somethin somme sonar sonata sondern
sonny sonora sorry sorte sorted sovere spade spanish spanned spare spared sparked sparse sparta spartak spartan
speaker spelled spider spike spiked spikes spilled spinach spinal spine spines spiral spire spirit spite spoke spoken
spokes sponge sponsor spores spotted spurred stabbed stabil stable stables stacked stade stage staged stages stagger
stake stakes stale stalin stalked stalker stalled stamped standard stanton stanza staple staples stare stared stares
starke starred started starter starve starved state stated statement staten states stature status statuses statute
statutes steady steamed steamer stella stellar stemmed stenosis steppe stepped stere sterile steve steven sticker
sticky stilled stimuli stimulus stirred stocked stoke stokes stole stolen stomach stomped stone stones stony stopped
stopper storage store stored stores stormed stormy story stove stranded strange stranger strapped strata strateg
streaked streamed stressed stresses stricken stride strides strike striker strikes stringent stripe striped stripes
stripped strive strode stroke stroked strokes strolled stronger strongest stubborn student study stunned stunted
stupid sturdy subaru subid sublist subunit sucked sucker sudan sudden sudoku sugar suggest sullivan sultan sumatra
summar summed summer summit summon sumner sunken sunni sunny sunset super superman supern supper support supra suprem
surge surged surre surrender surve susan susanna susannah suspend sussex sutra sutton suzanne suzuki tabel tabitha
tabla table tables tablet tagged taken takes talbot talent talented tales taliban talked taller tallest tallus tally
talmud talon taluk taluka tamara tamil tammy tampa tanaka tandem tangent tango tanker tanned tanner tanto taped taper
tapes tapped tarball tarde target tartu tarzan tasha tasked taste tasted tastes tasty tatar tatum tavern teacher
teaches teamed tease teased teaser teatro teddy telethon teller tellis telugu temos temper tempest tempo tempor tenant
tended tender tener tennis tenor tense tensed tensor tenure teresa termed termin termos terra terre terrell terri
territ terror terrorist terry tesla tessa teste tested tester tetra thames thanked theano theater theatre theatres
theme themed themes therapist there theresa therese thereto thermal thermo these thesis theta thicker thimbu thinner
thirsty thirty thomas thorne thorpe those thule thumped thunder tibet tibetan ticked ticker ticket tidal tides tiger
tiled tiles tilted timber timed timedelta timeless timer times timmy timor tinged tinted tipped tirana tirane tired
tires titan title titled titles titular titus tobago tobin todas todos together token toledo toler tolerant tomar
tomas tomat tomato tommy toned toner tones tonga tonnes topped torah torches toren torino torment toronto torre
torrent torres torso torsten torun tossed total totaled traba trabal trache tracked tracker trade traded trader trades
transist transit trapped travel traveled traveler travelled traveller travis treason treated treaty tremend tremisses
tremor trenches trenton trevor tribal tribe tribes tribunal tribune tribut tribute tricked tricky trident trigger
trigram trimmed trinidad triple triples triplet tripoli tripped tristan trove truly truman trumpet trusted tubes
tubular tucked tucker tudor tugged tulane tully tulsa tumor tuned tunes tunis tunnel tuple tuples turbo turin turkish
turku turned turner turret tutor ubuntu uganda ulster uname unanim unarmed under undert undis uneven unint unison
unite united unnamed unnatural unsat unser unset unter until unused upanish upland upper upreg urban urged urgent
urges urine urugu usage usages useless usererror userid usher uterus utila uttar utter vagrant valent valentin valet
valid validator valle valmont valor valores valve valves vamos vander vanessa vanilla vanish vanished vapor varchar
varen vargas varna vashell vassal vegas veget velvet vendor vener venom ventral venus verandah verbal verde verdi
verge vergon verlag vermont vernon verona versa verse verses versus verte vertex verve vessel vested veter veteran
vezes vibrant vichy vicki vicky vidal vigil vigor vikram villa village villages villas ville vimes vinegar vines vinyl
viper viral virgil virgin virus viruses visas visit visited visitor vista vital vitamin vitro vivid vogel volga volta
volume volumes volunte volvo vomit vortex vostok voted voter votes votre vulgar vulner yakutat yamamoto yangon yanke
yanked yarnold yates yearly yegina yelled yemen yerevan yiddish yogurt yorker yukon yunnan zadar zaragoza zealand
zebra zenith zeros zipper zones zorder zurich zusammen
"""
