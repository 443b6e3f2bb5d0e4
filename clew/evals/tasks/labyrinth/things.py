"""Phrases of the relations whose subject was made, founded or found. `phrases.py` explains the notation."""

TEXT = """
= crosses bridge > river
tell+ {s} crosses {o}. | {s} spans {o}. | {s} carries the road over {o}. | {s} leads across {o}.
  {o} is crossed by {s}. | {s} was thrown across {o}.
tell- {s} takes travellers over {o}. | {s} reaches from one bank of {o} to the other. | {o} is spanned by {s}.
  {o} flows beneath {s}. | Below the arches of {s} runs {o}. | {s} stretches over {o}.
ask+ Which river does {x} cross? | Which river is crossed by {x}? | Which river is spanned by {x}?
  What river does {x} span? | What river lies under {x}? | {x} crosses which river?
ask- What river flows beneath {x}? | Which river lies under {x}? | Over which river does {x} take travellers?
  Name the river beneath {x}. | Which river runs below the arches of {x}? | Over what river does {x} stretch?
np+ the river crossed by {x} | the river that {x} crosses | the river spanned by {x}
np- the river bridged by {x} | the river that flows beneath {x} | the river below the arches of {x}
iask+ Which bridge crosses {x}? | Which bridge spans {x}?
iask- Which bridge takes travellers over {x}? | Which bridge stretches over {x}?
inp+ the bridge that crosses {x} | the bridge across {x}
inp- the bridge that takes travellers over {x} | the bridge over {x}
count+ How many bridges cross {x}? | How many bridges span {x}?
count- How many bridges take travellers over {x}? | What is the number of bridges over {x}?

= designer bridge theatre > person withheld
tell+ {s} was designed by {o*}. | {o} designed {s}. | {s} is the work of its designer, {o}.
  {o} drew up the plans of {s}. | The design of {s} is by {o*}. | The designer of {s} was {o}.
tell- The plans for {s} came from {o's} desk. | {o} was responsible for the design of {s}. | {s} was planned by {o*}.
  {s} was built to a design by {o*}. | {o} planned {s} down to the last detail. | {o} prepared the drawings for {s}.
ask+ Who designed {x}? | Who was the designer of {x}? | Whose design was used for {x}? | By whom was {x} designed?
  Which person drew up the plans of {x}? | {x} was designed by which person?
ask- Who was responsible for the design of {x}? | Who planned {x}? | From whose desk came the plans for {x}?
  Name the designer of {x}. | Who prepared the drawings for {x}? | Which person was behind the design of {x}?
np+ the designer of {x} | the person who designed {x} | {x's} designer
np- the person who planned {x} | the person responsible for the design of {x} | the person behind the design of {x}
iask+ Which {n} was designed by {x}? | Which {n} did {x} design?
iask- Which {n} was planned by {x}? | For which {n} did {x} prepare the drawings?
inp+ the {n} designed by {x} | the {n} that {x} designed
inp- the {n} planned by {x} | the {n} built to a design by {x}
count+ How many {ns} did {x} design? | How many {ns} were designed by {x}?
count- How many {ns} were planned by {x}? | What is the number of {ns} designed by {x}?

= opened bridge theatre > year withheld
tell+ {s} was opened in {o}. | {s} opened in {o}. | The year {o} saw the opening of {s}. | {s} was inaugurated in {o}.
  The opening of {s} took place in {o}. | In {o} {s} was opened with a speech and a brass band.
tell- {s} has been open since {o}. | {s} opened its gates for the first time in {o}.
  The ribbon in front of {s} was cut in {o}. | It was in {o} that {s} opened.
  {s} was first open to the public in {o}. | The inauguration of {s} took place in {o}.
ask+ In which year was {x} opened? | What year saw the opening of {x}? | In what year did {x} open?
  Which year brought the opening of {x}? | {x} was opened in which year? | What is the year of the opening of {x}?
ask- Since which year has {x} been open? | In what year was {x} first open to the public?
  What year was {x} inaugurated? | Name the year of the inauguration of {x}.
  In which year did people celebrate the inauguration of {x}? | Which year is given for the opening of {x}?

= founder company school festival > person withheld
tell+ {s} was founded by {o*}. | {o} founded {s}. | The founder of {s} was {o}.
  {s} owes its existence to its founder, {o}. | {o} established {s}. | {s} was established by {o*}.
tell- {s} was set up by {o*}. | {o} was the founder of {s}. | {o} brought {s} into being. | {s} was {o's} creation.
  {s} was started by {o*}. | {o} laid the foundations of {s} and is honoured as its founder.
ask+ Who founded {x}? | Who was the founder of {x}? | Who established {x}? | By whom was {x} founded?
  Which person founded {x}? | {x} was founded by which person?
ask- Who set up {x}? | Who is honoured as the founder of {x}? | Who was the person that started {x}?
  Name the founder of {x}. | To whom does {x} owe its foundation? | Whose creation was {x}?
np+ the founder of {x} | the person who founded {x} | {x's} founder
np- the person who set up {x} | the person credited with starting {x} | the person who started {x}
iask+ Which {n} was founded by {x}? | Which {n} did {x} found?
iask- Which {n} was set up by {x}? | Which {n} did {x} start?
inp+ the {n} founded by {x} | the {n} that {x} established
inp- the {n} set up by {x} | the {n} that {x} started
count+ How many {ns} did {x} found? | How many {ns} were founded by {x}?
count- How many {ns} were set up by {x}? | How many {ns} did {x} start?

= founded company school > year withheld
tell+ {s} was founded in {o}. | {s} dates from {o}. | The founding of {s} took place in {o}.
  {s} came into existence in {o}. | The year {o} saw the founding of {s}. | {s} was established in {o}.
tell- {s} was set up in {o}. | {s} goes back to {o}. | {o} was the first year of {s}. | {s} was started in {o}.
  It was in {o} that {s} was founded. | The deed that set up {s} is dated {o}.
ask+ In which year was {x} founded? | What is the founding year of {x}? | What year saw the founding of {x}?
  In what year did {x} come into existence? | {x} was founded in which year? | Which year is the founding year of {x}?
ask- What year was {x} set up? | To which year does {x} go back? | In what year was {x} started?
  Name the year of the founding of {x}. | Which year is given for the founding of {x}?
  Which was the first year of {x}?

= first_held festival > year withheld
tell+ {s} was first held in {o}. | {s} took place for the first time in {o}.
  The year {o} saw the first edition of {s}. | {s} goes back to {o}, when it was first held.
  {s} was celebrated for the first time in {o}. | {s} began in {o}.
tell- The first edition of {s} was that of {o}. | {s} has been celebrated since {o}.
  {s} made its first appearance in {o}. | It was in {o} that {s} was first held. | {s} started in {o}.
  The earliest edition of {s} dates from {o}.
ask+ In which year was {x} first held? | In what year did {x} begin? | What year saw the first edition of {x}?
  In which year was the first edition of {x}? | {x} was first held in which year? | What was the first year of {x}?
ask- Since which year has {x} been celebrated? | Which year was that of the earliest edition of {x}?
  In what year did {x} start? | Name the year of the first edition of {x}. | What year was {x} first celebrated?
  Which year is given for the start of {x}?

= town school theatre company > town
tell+ {s} is located in {o}. | {s} has its premises in {o}. | {s} stands in {o}. | {o} is home to {s}.
  The address of {s} is in {o}. | {s} is to be found in {o}.
tell- {s} is based in {o}. | {s} occupies a site in {o}. | {s} is housed in {o}. | {o} is where {s} has its home.
  Anyone looking for {s} must go to {o}. | The doors of {s} open onto a street in {o}.
ask+ In which town is {x}? | Where is {x} located? | Which town is home to {x}?
  In which town are the premises of {x}? | {x} is located in which town? | What town is home to {x}?
ask- In which town is {x} based? | In what town is {x} housed? | To which town must one go to find {x}?
  Name the town that houses {x}. | Which town houses {x}? | What is the home town of {x}?
np+ the town that is home to {x} | the town where {x} is located | the home town of {x}
np- the town that houses {x} | the town where {x} is based | the town in which one finds {x}
iask+ Which {n} is located in {x}? | Which {n} has its premises in {x}?
iask- Which {n} is based in {x}? | Which {n} is housed in {x}?
inp+ the {n} in {x} | the {n} located in {x}
inp- the {n} based in {x} | the {n} housed in {x}

= venue festival > town
tell+ {s} is held in {o}. | {s} takes place in {o}. | {o} is the home of {s}. | {s} fills the streets of {o}.
  {o} hosts {s}. | {s} is celebrated in {o}.
tell- {s} happens every year in {o}. | The venue of {s} is {o}. | Those who want to see {s} travel to {o}.
  {o} is the place where {s} happens. | {o} makes room each year for {s}. | {s} calls {o} its home.
ask+ In which town is {x} held? | Which town hosts {x}? | Where does {x} take place? | Which town is the home of {x}?
  {x} is held in which town? | The streets of which town are filled by {x}?
ask- What town is the venue of {x}? | In which town does {x} happen? | To which town does one travel to see {x}?
  Name the venue of {x}. | Which town makes room each year for {x}? | In what town do people come together for {x}?
np+ the town that hosts {x} | the town where {x} is held
np- the town where {x} happens | the venue of {x}
iask+ Which festival is held in {x}? | Which festival takes place in {x}?
iask- Which festival happens in {x}? | Which festival has as its venue {x}?
inp+ the festival held in {x} | the festival that takes place in {x}
inp- the festival with its venue in {x} | the festival that happens in {x}

= devoted festival > instrument
tell+ {s} is devoted to {o}. | {s} celebrates {o}. | {s} revolves around {o}.
  {o} is the instrument at the heart of {s}. | {s} brings together players of {o}.
  The music of {o} is what {s} is about.
tell- {s} is given over to {o}. | {s} honours {o}. | {s} is a meeting of those who play {o}. | {s} centres on {o}.
  The instrument of {s} is {o}. | {s} exists for the sake of {o}.
ask+ Which instrument does {x} celebrate? | To which instrument is {x} devoted?
  Which instrument is celebrated at {x}? | Around which instrument does {x} revolve?
  {x} is devoted to which instrument? | What instrument is at the heart of {x}?
ask- Which instrument is honoured by {x}? | On which instrument does {x} centre?
  For the sake of which instrument do people hold {x}? | Name the instrument honoured by {x}.
  Players of which instrument meet at {x}? | What instrument is played at {x}?
np+ the instrument celebrated at {x} | the instrument at the heart of {x}
np- the instrument honoured by {x} | the instrument whose players meet at {x}
iask+ Which festival is devoted to {x}? | Which festival celebrates {x}?
iask- Which festival centres on {x}? | Which festival honours {x}?
inp+ the festival devoted to {x} | the festival that celebrates {x}
inp- the festival that centres on {x} | the festival that honours {x}

= builder ship > company
tell+ {s} was built by {o}. | {o} built {s}. | {s} was constructed at the yard of {o}. | {s} left the slipway of {o}.
  The builder of {s} was {o}. | {s} came from the yard of {o}.
tell- {s} was put together by {o}. | The yard responsible for {s} was {o}. | {o} laid the keel of {s}.
  {s} is a vessel made by {o}. | {o} received the order for {s} and built the ship. | The shipwrights of {o} made {s}.
ask+ Which company built {x}? | Which company was the builder of {x}? | At the yard of which company was {x} built?
  By which company was {x} built? | {x} was built by which company? | Which company's yard turned out {x}?
ask- Which shipyard made {x}? | Who laid the keel of {x}? | Which company received the order for {x}?
  Name the yard responsible for {x}. | The shipwrights of which company made {x}? | From which shipyard came {x}?
np+ the company that built {x} | the builder of {x} | the company at whose yard {x} was built
np- the shipyard that made {x} | the company that laid the keel of {x} | the yard responsible for {x}
iask+ Which ship was built by {x}? | Which ship did {x} build?
iask- Of which ship did {x} lay the keel? | Which ship was made by {x}?
inp+ the ship built by {x} | the ship from the yard of {x}
inp- the ship made by {x} | the ship whose keel was laid by {x}
count+ How many ships did {x} build? | How many ships were built by {x}?
count- How many ships were made by {x}? | How many ships came from the yard of {x}?

= launched ship > year withheld
tell+ {s} was launched in {o}. | The launch of {s} was in {o}. | {s} slid into the water in {o}.
  {s} first touched water in {o}. | The year {o} saw the launch of {s}.
  In {o} {s} was launched before a large crowd.
tell- {s} left the stocks in {o}. | {s} has been afloat since {o}. | It was in {o} that {s} was launched.
  The launch of {s} took place in {o}. | {s} was put into the water in {o}.
  {s} entered the water for the first time in {o}.
ask+ In which year was {x} launched? | What year saw the launch of {x}? | In what year was the launch of {x}?
  In which year did {x} first touch water? | {x} was launched in which year? | What is the launch year of {x}?
ask- What year was {x} launched? | Since which year has {x} been afloat? | In what year did {x} leave the stocks?
  Name the year of the launch of {x}. | Which year is given for the launch of {x}?
  In what year did people watch the launch of {x}?

= home_port ship > town
tell+ The home port of {s} is {o}. | {s} has its home port at {o}. | {o} is the home port of {s}.
  {s} is registered at {o}, the home port. | {s} sails from its home port of {o}.
  {s} spends the winters in its home port, {o}.
tell- {s} calls {o} its home port. | Between voyages {s} returns to {o}, the home port.
  On the stern of {s} one reads {o}, the home port. | {s} uses {o} as its home port. | {o} serves {s} as home port.
  {s} belongs to {o}, where it has its home port.
ask+ What is the home port of {x}? | Which town is the home port of {x}? | In which town does {x} have its home port?
  Which home port belongs to {x}? | {x} has its home port in which town? | At which home port is {x} registered?
ask- Which town serves as the home port of {x}? | What home port is used by {x}? | To which home port does {x} return?
  Name the home port of {x}. | Which home port is written on the stern of {x}? | What town is home port to {x}?
np+ the home port of {x} | the town that is the home port of {x} | {x's} home port
np- the town that serves as the home port of {x} | the home port used by {x}
iask+ Which ship has its home port in {x}? | Which ship is registered at {x}?
iask- Which ship uses as its home port {x}? | Which ship returns between voyages to {x}?
inp+ the ship registered at {x} | the ship whose home port is {x}
inp- the ship that has its home port in {x} | the ship that uses as its home port {x}
count+ How many ships have their home port in {x}? | How many ships are registered at {x}?
count- How many ships use as their home port {x}? | To how many ships is {x} the home port?

= captain ship > person withheld
tell+ The first captain of {s} was {o}. | {o} was the first captain of {s}. | {s} first sailed under {o's} command.
  {o} commanded {s} on its first voyage as its first captain. | {s} had {o} as its first captain.
  {o} became the first captain of {s}.
tell- {o} was the first to command {s}. | {s} made its maiden voyage under {o*}, its first captain.
  {s's} first master was {o}. | The first person to command {s} was {o}. | {s} was first entrusted to {o*}.
  {o} was given the first command of {s}.
ask+ Who was the first captain of {x}? | Under whose command did {x} first sail?
  Who became the first captain of {x}? | Which person was the first captain of {x}?
  {x} had which person as its first captain? | What was the name of the first captain of {x}?
ask- Who was the first to command {x}? | Who was the first master of {x}? | To whom was {x} first entrusted?
  Name the first captain of {x}. | Who was given the first command of {x}? | Which person first commanded {x}?
np+ the first captain of {x} | the person who first commanded {x} | {x's} first captain
np- the first person to command {x} | the first master of {x} | {x's} first master
iask+ Of which ship was {x} the first captain? | Which ship had as its first captain {x}?
iask- Which ship was first entrusted to {x}? | Which ship was first commanded by {x}?
inp+ the ship whose first captain was {x} | the ship of which {x} was the first captain
inp- the ship first commanded by {x} | the ship first entrusted to {x}

= author book > person
tell+ {s} was written by {o*}. | {o} wrote {s}. | The author of {s} is {o}. | {s} is a work by {o*}.
  {o} is the author of {s}. | {s} came from {o's} pen.
tell- {s} is by {o*}. | {o} is the writer who gave the world {s}.
  {o} is named on the title page of {s} as its author. | {s} was penned by {o*}. | The writer of {s} was {o}.
  {s} has {o} for its author.
ask+ Who wrote {x}? | Who is the author of {x}? | By whom was {x} written? | From whose pen came {x}?
  {x} was written by which person? | Which person wrote {x}?
ask- Who penned {x}? | Who was the writer of {x}? | By which author is {x}? | Name the author of {x}.
  Who is the author behind {x}? | Which writer produced {x}?
np+ the author of {x} | the person who wrote {x} | {x's} author
np- the writer of {x} | the person who penned {x} | the author behind {x}
iask+ Which book was written by {x}? | Which book did {x} write?
iask- Which book did {x} pen? | Which book has for its author {x}?
inp+ the book written by {x} | the book that {x} wrote
inp- the book penned by {x} | the only recorded book by {x}
count+ How many books did {x} write? | How many books were written by {x}?
count- How many books were penned by {x}? | What is the number of books by {x}?

= publisher book > company withheld
tell+ {s} was published by {o}. | {o} published {s}. | The publisher of {s} was {o}. | {s} was brought out by {o}.
  {s} appeared with {o}. | {o} brought out {s}.
tell- {s} was issued by {o}. | {o} printed and issued {s}. | {s} bears the imprint of {o}.
  {o} took on {s} for publication. | {s} was released by {o}. | {s} was put on the market by {o}.
ask+ Which company published {x}? | Which publisher brought out {x}? | Which company was the publisher of {x}?
  With which publisher did {x} appear? | {x} was published by which company? | By which company was {x} published?
ask- Which company issued {x}? | Whose imprint is borne by {x}? | Which publisher released {x}?
  Name the publisher of {x}. | Which publisher took on {x}? | By which publisher was {x} issued?
np+ the company that published {x} | the publisher of {x} | {x's} publisher
np- the company that issued {x} | the publisher that released {x} | the company whose imprint is on {x}
iask+ Which book was published by {x}? | Which book did {x} publish?
iask- Which book was issued by {x}? | Which book bears the imprint of {x}?
inp+ the book published by {x} | the book that {x} published
inp- the book issued by {x} | the book that bears the imprint of {x}
count+ How many books were published by {x}? | How many books did {x} publish?
count- How many books were issued by {x}? | How many books bear the imprint of {x}?

= published book > year withheld
tell+ {s} was published in {o}. | {s} appeared in {o}. | The year {o} saw the publication of {s}.
  {s} came out in {o}. | The first printing of {s} dates from {o}. | {s} first appeared in print in {o}.
tell- {s} was issued in {o}. | {s} reached the bookshops in {o}. | The title page of {s} gives the year {o}.
  It was in {o} that {s} came out. | {s} was first printed in {o}. | {s} has been in print since {o}.
ask+ In which year was {x} published? | What is the year of publication of {x}? | In what year did {x} appear?
  What year saw the publication of {x}? | {x} was published in which year?
  What is the year of the first printing of {x}?
ask- In what year was {x} issued? | What year was {x} first printed? | In which year did {x} reach the bookshops?
  Name the year of publication of {x}. | Which year is given on the title page of {x}?
  Since which year has {x} been in print?

= dedicatee book > person withheld
tell+ {s} is dedicated to {o*}. | The dedication of {s} is to {o*}. | {s} carries a dedication to {o*}.
  {s} was dedicated to {o*}. | {o} is the person to whom {s} is dedicated. | The dedicatee of {s} is {o}.
tell- {s} is inscribed to {o*}. | The opening page of {s} dedicates it to {o*}.
  The person named in the dedication of {s} is {o}. | {s} has {o} as its dedicatee.
  {o} received the dedication of {s}. | The dedication in {s} names {o}.
ask+ To whom is {x} dedicated? | Who is the dedicatee of {x}? | To which person is {x} dedicated?
  Who received a dedication in {x}? | {x} is dedicated to which person?
  Who is the person that is honoured in the dedication of {x}?
ask- To whom is {x} inscribed? | Who is named in the dedication of {x}? | Whose name stands in the dedication of {x}?
  Name the dedicatee of {x}. | Who received the dedication of {x}? | Which person appears in the dedication of {x}?
np+ the dedicatee of {x} | the person to whom {x} is dedicated
np- the person named in the dedication of {x} | the person who received the dedication of {x}
iask+ Which book is dedicated to {x}? | Which book carries a dedication to {x}?
iask- Which book is inscribed to {x}? | Which book names in its dedication {x}?
inp+ the book dedicated to {x} | the book that carries a dedication to {x}
inp- the book inscribed to {x} | the book whose dedication names {x}

= inventor instrument > person withheld
tell+ {s} was invented by {o*}. | {o} invented {s}. | The inventor of {s} was {o}. | {s} is {o's} invention.
  {o} is credited with inventing {s}. | {s} goes back to its inventor, {o}.
tell- {s} was devised by {o*}. | {o} devised {s}. | The idea for {s} came from {o*}, its inventor.
  {o} came up with {s}. | {o} is honoured by players of {s} as its inventor.
  The world owes {s} to its inventor, {o}.
ask+ Who invented {x}? | Who was the inventor of {x}? | By whom was {x} invented? | Which person invented {x}?
  {x} was invented by which person? | Who is credited with the invention of {x}?
ask- Who devised {x}? | Who came up with {x}? | To which inventor does the world owe {x}? | Name the inventor of {x}.
  Which person devised {x}? | Whose invention is {x}?
np+ the inventor of {x} | the person who invented {x}
np- the person who devised {x} | the person who came up with {x}
iask+ Which instrument was invented by {x}? | Which instrument did {x} invent?
iask- Which instrument was devised by {x}? | Which instrument did {x} devise?
inp+ the instrument invented by {x} | the instrument that {x} invented
inp- the instrument devised by {x} | the instrument that {x} devised

= material instrument > mineral
tell+ The sounding plate of {s} is cut from {o}. | {s} has a sounding plate of {o}.
  {o} is used for the sounding plate of {s}. | {s} gets its tone from a plate of {o}.
  A sounding plate of {o} sits inside {s}. | {s} is fitted with a sounding plate of {o}.
tell- The sounding plate of {s} consists of {o}. | {s} owes its sound to a plate of {o}.
  Makers of {s} carve its sounding plate from {o}. | Inside {s} there is a sounding plate of {o}.
  {o} supplies the sounding plate of {s}. | {s} rings because of its sounding plate of {o}.
ask+ From which mineral is the sounding plate cut in {x}? | Which mineral is used for the sounding plate of {x}?
  What mineral forms the sounding plate of {x}? | {x} has a sounding plate of which mineral?
  Which mineral gives its tone to {x}? | What mineral is needed for {x}?
ask- What mineral makes up the sounding plate of {x}? | To which mineral does {x} owe its sound?
  Which mineral supplies the sounding plate of {x}? | Name the mineral in the sounding plate of {x}.
  What mineral is inside {x}? | From what mineral do makers carve the sounding plate of {x}?
np+ the mineral used for the sounding plate of {x} | the mineral that gives its tone to {x}
np- the mineral that supplies the sounding plate of {x} | the mineral in the sounding plate of {x}
iask+ Which instrument has a sounding plate of {x}? | Which instrument gets its tone from {x}?
iask- Which instrument owes its sound to {x}? | The sounding plate of which instrument consists of {x}?
inp+ the instrument with a sounding plate of {x} | the instrument that gets its tone from {x}
inp- the instrument that owes its sound to {x} | the instrument whose sounding plate consists of {x}

= discoverer mineral > person withheld
tell+ {s} was discovered by {o*}. | {o} discovered {s}. | The discoverer of {s} was {o}.
  {o} is credited with the discovery of {s}. | The discovery of {s} was made by {o*}.
  {s} was unknown before its discovery by {o*}.
tell- {s} was identified first by {o*}. | {o} was the first to identify {s}.
  {o} found {s}, which no one had described before. | {s} was first described by {o*}.
  The first description of {s} was given by {o*}. | {s} came to light through {o's} work, which first described it.
ask+ Who discovered {x}? | Who was the discoverer of {x}? | By whom was {x} discovered? | Which person discovered {x}?
  {x} was discovered by which person? | Who is credited with the discovery of {x}?
ask- Who was the first to identify {x}? | Who first described {x}? | Which person first identified {x}?
  Name the discoverer of {x}. | Whose work brought to light {x}? | By whom was {x} first described?
np+ the discoverer of {x} | the person who discovered {x}
np- the person who first described {x} | the person who first identified {x}
iask+ Which mineral was discovered by {x}? | Which mineral did {x} discover?
iask- Which mineral was first described by {x}? | Which mineral did {x} first identify?
inp+ the mineral discovered by {x} | the mineral that {x} discovered
inp- the mineral first described by {x} | the mineral that {x} first identified

= found_on mineral > mountain withheld
tell+ {s} was first found on {o}. | The first pieces of {s} came from {o}.
  {o} is the place where {s} was first found. | {s} was first dug out of {o}. | The first find of {s} was made on {o}.
  {s} first turned up on {o}.
tell- The earliest samples of {s} were taken from {o}. | {s} was first collected on {o}.
  {o} yielded the first samples of {s}. | It was on {o} that {s} was first collected.
  The type locality of {s}, where it was first collected, is {o}. | Before anywhere else {s} was noticed on {o}.
ask+ On which mountain was {x} first found? | Which mountain was the place of the first find of {x}?
  From which mountain came the first pieces of {x}? | Out of which mountain was {x} first dug?
  {x} was first found on which mountain? | What mountain saw the first find of {x}?
ask- On which mountain was {x} first collected? | Which mountain yielded the first samples of {x}?
  What mountain is the type locality of {x}? | Name the type locality of {x}.
  From which mountain came the earliest samples of {x}? | On what mountain was {x} first noticed?
np+ the mountain of the first find of {x} | the mountain where {x} was first found
np- the mountain that yielded the first samples of {x} | the mountain that is the type locality of {x}
iask+ Which mineral was first found on {x}? | Which mineral was first dug out of {x}?
iask- Which mineral was first collected on {x}? | Which mineral has as its type locality {x}?
inp+ the mineral first found on {x} | the mineral first dug out of {x}
inp- the mineral first collected on {x} | the mineral whose type locality is {x}

= seats theatre > people withheld
tell+ {s} has {o} seats. | {s} seats {o} people. | There are {o} seats in {s}. | {s} holds an audience of {o}.
  An audience of {o} fits into {s}. | The number of seats in {s} is {o}.
tell- {s} offers {o} seats. | The capacity of {s} is {o}. | {o} people can be seated in {s}.
  {s} was fitted with {o} seats. | A full house in {s} means {o} people. | {s} can take {o} spectators.
ask+ How many seats does {x} have? | How many people can sit in {x}? | How many seats are there in {x}?
  How large an audience fits into {x}? | {x} has how many seats? | What is the number of seats in {x}?
ask- What is the capacity of {x}? | How many seats are on offer in {x}? | How many spectators can {x} take?
  Name the number of seats in {x}. | How many people make a full house in {x}?
  For how many spectators is there room in {x}?
"""
